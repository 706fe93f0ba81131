/* decode_fast_0f.c - The two-byte opcodes of decode_fast.c. source: Intel SDM volume 2, appendix A. */
#include "watch/decode_take.h"

enum vector { V_NONE, V_LOAD, V_STORE, V_LOAD_MEMORY, V_STORE_MEMORY, V_COMPARE, V_LOAD_IMM8, V_TO_GPR };

/* What a vector instruction does with memory, and how many bytes by prefix: none, 66, f3, f2 (0: not known here). */
static const struct {
	uint8_t what, bytes[4];
} vectors[256] = {
	[0x10] = { V_LOAD, { 16, 16, 4, 8 } },
	[0x11] = { V_STORE, { 16, 16, 4, 8 } },
	[0x12] = { V_LOAD_MEMORY, { 8, 8 } },
	[0x13] = { V_STORE_MEMORY, { 8, 8 } },
	[0x14 ... 0x15] = { V_LOAD, { 16, 16 } },
	[0x16] = { V_LOAD_MEMORY, { 8, 8 } },
	[0x17] = { V_STORE_MEMORY, { 8, 8 } },
	[0x28] = { V_LOAD, { 16, 16 } },
	[0x29] = { V_STORE, { 16, 16 } },
	[0x2b] = { V_STORE_MEMORY, { 16, 16 } },
	[0x2c ... 0x2d] = { V_TO_GPR, { 0, 0, 4, 8 } },
	[0x2e ... 0x2f] = { V_COMPARE, { 4, 8 } },
	[0x51] = { V_LOAD, { 16, 16, 4, 8 } },
	[0x54 ... 0x57] = { V_LOAD, { 16, 16 } },
	[0x58 ... 0x59] = { V_LOAD, { 16, 16, 4, 8 } },
	[0x5a] = { V_LOAD, { 8, 16, 4, 8 } },
	[0x5b] = { V_LOAD, { 16, 16, 16 } },
	[0x5c ... 0x5f] = { V_LOAD, { 16, 16, 4, 8 } },
	[0x60 ... 0x6d] = { V_LOAD, { 0, 16 } },
	[0x6f] = { V_LOAD, { 0, 16, 16 } },
	[0x70] = { V_LOAD_IMM8, { 0, 16, 16, 16 } },
	[0x74 ... 0x76] = { V_LOAD, { 0, 16 } },
	[0x7f] = { V_STORE, { 0, 16, 16 } },
	[0xc6] = { V_LOAD_IMM8, { 16, 16 } },
	[0xd1 ... 0xd5] = { V_LOAD, { 0, 16 } },
	[0xd6] = { V_STORE, { 0, 8 } },
	[0xd8 ... 0xe5] = { V_LOAD, { 0, 16 } },
	[0xe7] = { V_STORE_MEMORY, { 0, 16 } },
	[0xe8 ... 0xef] = { V_LOAD, { 0, 16 } },
	[0xf1 ... 0xf6] = { V_LOAD, { 0, 16 } },
	[0xf8 ... 0xfe] = { V_LOAD, { 0, 16 } },
};

static bool vector(struct take *t, uint8_t op)
{
	unsigned prefix = t->rep == 0xf3 ? 2 : t->rep == 0xf2 ? 3 : t->p66 ? 1 : 0;
	unsigned what = vectors[op].what, bytes = vectors[op].bytes[prefix];
	if (!bytes || (t->rep && t->p66))
		return false;
	take_modrm(t);
	switch (what) {
	case V_LOAD_IMM8:
		t->p++;
		break;
	case V_TO_GPR:
		take_reg(t, t->reg, t->rex & 8 ? 8 : 4, WRITE);
		break;
	case V_COMPARE:
		t->out->kills |= FLAGS_ALL;
		break;
	case V_LOAD_MEMORY:
	case V_STORE_MEMORY:
		if (!t->memory)
			return false;
	}
	if (t->memory)
		take_rm(t, bytes, what == V_STORE || what == V_STORE_MEMORY ? WRITE : READ);
	return true;
}

/* Between general and vector registers. */
static bool vector_gpr(struct take *t, uint8_t op)
{
	unsigned bytes = t->rex & 8 ? 8 : 4;
	if (op == 0x2a ? !t->rep || t->p66 : !t->p66 || t->rep)
		return false;
	take_modrm(t);
	take_rm(t, bytes, op == 0x7e ? WRITE : READ);
	return true;
}

bool take_two_byte(struct take *t, uint8_t op)
{
	if (vectors[op].what)
		return vector(t, op);
	if (op == 0x2a || op == 0x6e || (op == 0x7e && t->p66))
		return vector_gpr(t, op);
	if (t->rep)
		return false;
	unsigned bytes = width(t, false);
	switch (op) {
	case 0x0b:
		t->out->kind = INSN_STOP;
		t->out->is |= INSN_PINNED;
		return !t->p66;
	case 0x1f:
		take_modrm(t);
		t->out->reads = 0;
		return t->memory && !t->fs;
	case 0x40 ... 0x4f:
		take_modrm(t);
		take_reg(t, t->reg, bytes, KEEP);
		take_rm(t, bytes, READ);
		t->out->reads |= condition(op & 15);
		return true;
	case 0x80 ... 0x8f:
		t->out->reads |= condition(op & 15);
		return take_branch(t, INSN_JCC, 4);
	case 0x90 ... 0x9f:
		take_modrm(t);
		take_rm(t, 1, WRITE);
		t->out->reads |= condition(op & 15);
		return true;
	case 0xaf:
		take_modrm(t);
		take_reg(t, t->reg, bytes, READ | WRITE);
		take_rm(t, bytes, READ);
		t->out->kills |= FLAG_CF | FLAG_OF;
		return true;
	case 0xb6:
	case 0xb7:
	case 0xbe:
	case 0xbf:
		take_modrm(t);
		take_reg(t, t->reg, bytes, WRITE);
		take_rm(t, op & 1 ? 2 : 1, READ);
		return true;
	default:
		return false;
	}
}
