/* emit.h - Machine code into a plan's image: the few instructions that checks and stubs are made of. */
#ifndef SNARL_WATCH_EMIT_H
#define SNARL_WATCH_EMIT_H

#include "watch/code.h"

#define EMIT_ROOM 1024u /* bytes there must be before an instruction and its check are emitted */

struct emit {
	struct plan *plan;
	const struct code *code;
	const struct emit_abi *abi;
	uint32_t at; /* where the next byte goes in the image */
	bool no_memory;
};

/* A memory operand to be encoded again. */
struct operand {
	uint8_t base, index, scale;
	bool addr32;
	bool fs;      /* relative to the thread pointer */
	int32_t disp; /* BASE_RIP: from the code's base */
};

/* Places in the image that emitted code refers to. */
enum { IMAGE_MISS = 0, IMAGE_SYNC = 8, IMAGE_REP = 16, IMAGE_ONES = 24, IMAGE_HEAD = 32 };

enum { SEG_FS = 0x64, SEG_GS = 0x65 };

/* The instruction's own memory operand, `plus` bytes further on. */
struct operand emit_operand(const struct code *c, const struct insn *i, int32_t plus);

/* The same relative to nothing but registers: loads the thread pointer into `temp`, which the operand must not use. */
void emit_flat(struct emit *e, struct operand *m, uint8_t temp);

void emit_room(struct emit *e);
void emit_8(struct emit *e, uint8_t v);
void emit_32(struct emit *e, uint32_t v);
void emit_bytes(struct emit *e, const void *p, size_t n);

/* opcode reg, operand. bytes: of the register, 1 2 4 8 (2: only the prefix that makes it so); opcode: one or two bytes.
 */
void emit_mem(struct emit *e, uint8_t segment, unsigned bytes, uint16_t opcode, uint8_t reg, const struct operand *m);
/* opcode reg, a word in thread-local storage. */
void emit_tls(struct emit *e, unsigned bytes, uint8_t opcode, uint8_t reg, int32_t fs_offset);
/* opcode with the register in r/m and `ext` in reg. */
void emit_reg(struct emit *e, unsigned bytes, uint8_t opcode, uint8_t ext, uint8_t reg);
/* A rel32 to a place in the image. */
void emit_rel(struct emit *e, uint32_t image_place);
/* A rel32 of an instruction with `tail` bytes after it, to a place in the program; branch: to that place's copy if it
 * has one. */
void emit_fix(struct emit *e, int32_t program_place, unsigned tail, bool branch);

/* An instruction of the program at its new place, doing the same. */
void emit_moved(struct emit *e, const struct insn *i);
/* A call through memory, with the return address it would have had at its own place. */
void emit_call_from(struct emit *e, const struct insn *i);

#define FIX_BRANCH 0x80000000u

#endif
