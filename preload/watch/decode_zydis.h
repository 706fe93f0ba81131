/* decode_zydis.h - struct insn by way of Zydis; the tests' truth as well. */
#ifndef SNARL_WATCH_DECODE_ZYDIS_H
#define SNARL_WATCH_DECODE_ZYDIS_H

#include <Zydis/Zydis.h>

#include "watch/decode.h"
#include "watch/site.h"

struct zydis {
	ZyanStatus (*init)(ZydisDecoder *, ZydisMachineMode, ZydisStackWidth);
	ZyanStatus (*decode_full)(const ZydisDecoder *, const void *, ZyanUSize, ZydisDecodedInstruction *,
				  ZydisDecodedOperand *);
	ZydisDecoder decoder;
};

bool decode_zydis(const struct zydis *zy, const uint8_t *code, size_t bytes, struct insn *out);

/* An instruction that touches only some elements of its memory operand: sets INSN_VECTOR. False: it is none, or its
 * extent cannot be told. */
bool zydis_vector(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *all, const ZydisDecodedOperand *mem,
		  struct insn *out);
/* Masked, and the mask decides what memory is touched. */
bool zydis_masked(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *mem);

#endif
