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

#endif
