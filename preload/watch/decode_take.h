/* decode_take.h - Taking an instruction apart, for decode_fast.c and decode_fast_0f.c. */
#ifndef SNARL_WATCH_DECODE_TAKE_H
#define SNARL_WATCH_DECODE_TAKE_H

#include "watch/code.h"
#include "watch/decode.h"

/* The instruction being taken apart. */
struct take {
	const uint8_t *code, *p; /* its first byte; the next one */
	struct insn *out;
	uint8_t rex, modrm;
	bool p66, fs;
	uint8_t rep;     /* 0, 0xf2, 0xf3 */
	uint8_t reg, rm; /* register numbers; rm: of mod 3 */
	bool memory;
};

enum { READ = 1, WRITE = 2, KEEP = 4 }; /* KEEP: written, but not in full or not always */

#define ARITH FLAGS_ALL

/* ---- operands ---- */

static inline unsigned width(const struct take *t, bool byte)
{
	return byte ? 1 : t->rex & 8 ? 8 : t->p66 ? 2 : 4;
}

/* A general register as an explicit operand. */
static inline void take_reg(struct take *t, unsigned reg, unsigned bytes, unsigned how)
{
	struct insn *o = t->out;
	if (bytes == 1 && !t->rex && reg >= 4)
		reg -= 4; /* ah to bh */
	if (how & READ)
		o->reads |= 1u << reg;
	if (how & (WRITE | KEEP))
		o->changes |= (uint16_t)(1u << reg);
	else
		o->is |= reg == RSP ? INSN_SP : reg == RBP ? INSN_BP : 0;
	if ((how & WRITE) && bytes >= 4)
		o->kills |= 1u << reg;
}

/* modrm, sib and displacement: fills the memory operand, or rm. */
static inline void take_modrm(struct take *t)
{
	struct insn *o = t->out;
	t->modrm = *t->p++;
	unsigned mod = t->modrm >> 6, rm = t->modrm & 7;
	t->reg = (uint8_t)((t->modrm >> 3 & 7) | (t->rex & 4 ? 8 : 0));
	t->rm = (uint8_t)(rm | (t->rex & 1 ? 8 : 0));
	t->memory = mod != 3;
	if (!t->memory)
		return;
	o->base = t->rm;
	if (rm == 4) {
		uint8_t sib = *t->p++;
		unsigned index = (sib >> 3 & 7) | (t->rex & 2 ? 8 : 0);
		if (index != 4) {
			o->index = (uint8_t)index;
			o->scale = (uint8_t)(1u << (sib >> 6));
			o->reads |= 1u << index;
		}
		o->base = (uint8_t)((sib & 7) | (t->rex & 1 ? 8 : 0));
		if ((sib & 7) == 5 && mod == 0) {
			o->base = NO_REG;
			mod = 4;
		}
	} else if (rm == 5 && mod == 0) {
		o->base = BASE_RIP;
		mod = 5;
	}
	if (o->base < 16)
		o->reads |= 1u << o->base;
	if (mod == 1) {
		o->disp = (int8_t)*t->p++;
	} else if (mod >= 2) {
		o->disp = (int32_t)read32(t->p);
		if (o->base == BASE_RIP)
			o->disp_at = (uint8_t)(t->p - t->code);
		t->p += 4;
	}
}

/* The r/m operand. */
static inline void take_rm(struct take *t, unsigned bytes, unsigned how)
{
	struct insn *o = t->out;
	if (!t->memory) {
		take_reg(t, t->rm, bytes, how);
		return;
	}
	o->size = (uint8_t)bytes;
	o->is |= (how & READ ? INSN_READS : 0) | (how & (WRITE | KEEP) ? INSN_WRITES : 0) | (t->fs ? INSN_FS : 0);
}

/* An immediate of the operand's size, four bytes for eight. */
static inline void take_imm(struct take *t, unsigned bytes)
{
	if (bytes >= 4)
		t->out->is |= INSN_IMM;
	t->p += bytes == 8 ? 4 : bytes;
}

/* The flags that condition code cc looks at. */
static inline uint32_t condition(unsigned cc)
{
	static const uint32_t flags[8] = { FLAG_OF, FLAG_CF, FLAG_ZF,           FLAG_CF | FLAG_ZF,
					   FLAG_SF, FLAG_PF, FLAG_SF | FLAG_OF, FLAG_ZF | FLAG_SF | FLAG_OF };
	return flags[cc >> 1 & 7];
}

/* A direct branch; false: with a prefix that makes it something else. */
static inline bool take_branch(struct take *t, uint8_t kind, unsigned bytes)
{
	t->out->kind = kind;
	t->out->disp = bytes == 1 ? (int8_t)*t->p : (int32_t)read32(t->p);
	t->p += bytes;
	return !t->p66;
}

/* The opcodes behind 0f. */
bool take_two_byte(struct take *t, uint8_t op);

#endif
