/* decode_fast.c - See decode_fast.h. source: Intel SDM volume 2, appendix A. */
#include "watch/decode_fast.h"

#include "watch/decode_take.h"

enum { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };

static unsigned alu(struct take *t, unsigned what)
{
	t->out->kills |= what == ALU_SBB ? ARITH & ~(uint32_t)FLAG_AF : ARITH;
	t->out->reads |= what == ALU_ADC || what == ALU_SBB ? (uint32_t)FLAG_CF : 0;
	return what == ALU_CMP ? READ : READ | WRITE;
}

static bool alu_modrm(struct take *t, uint8_t op)
{
	unsigned what = op >> 3 & 7, bytes = width(t, !(op & 1)), how = alu(t, what);
	take_modrm(t);
	take_reg(t, t->reg, bytes, op & 2 ? how : READ);
	take_rm(t, bytes, op & 2 ? READ : how);
	if ((what == ALU_XOR || what == ALU_SUB) && !t->memory && t->reg == t->rm && bytes >= 4)
		t->out->reads &= ~(1u << t->reg);
	return true;
}

static bool shift(struct take *t, uint8_t op)
{
	unsigned bytes = width(t, false);
	take_modrm(t);
	unsigned what = t->modrm >> 3 & 7;
	if ((what != 4 && what != 5 && what != 7) || bytes < 4)
		return false;
	take_rm(t, bytes, READ | WRITE);
	if (op == 0xd3) {
		t->out->reads |= 1u << RCX;
		return true;
	}
	unsigned count = op == 0xc1 ? *t->p++ : 1;
	if (count % 32 != 0)
		t->out->kills |= FLAG_CF | FLAG_PF | FLAG_ZF | FLAG_SF;
	return true;
}

/* f6, f7: test, not, neg. */
static bool unary(struct take *t, uint8_t op)
{
	unsigned bytes = width(t, !(op & 1));
	take_modrm(t);
	switch (t->modrm >> 3 & 7) {
	case 0:
		take_rm(t, bytes, READ);
		take_imm(t, bytes);
		t->out->kills |= ARITH;
		return true;
	case 2:
		take_rm(t, bytes, READ | WRITE);
		return true;
	case 3:
		take_rm(t, bytes, READ | WRITE);
		t->out->kills |= ARITH;
		return true;
	default:
		return false;
	}
}

/* fe, ff: inc, dec, call, jmp, push. */
static bool group5(struct take *t, uint8_t op)
{
	struct insn *o = t->out;
	take_modrm(t);
	unsigned what = t->modrm >> 3 & 7;
	if (what <= 1) {
		take_rm(t, width(t, !(op & 1)), READ | WRITE);
		o->kills |= FLAGS_ALL & ~(uint32_t)FLAG_CF;
		return true;
	}
	if (op == 0xfe || t->p66 || (what != 2 && what != 4 && what != 6))
		return false;
	take_rm(t, 8, READ);
	if (what == 6) {
		o->reads |= 1u << RSP;
		o->changes |= 1u << RSP;
		o->kills |= 1u << RSP;
		return true;
	}
	o->kind = what == 2 ? INSN_CALL_FAR : INSN_JMP_FAR;
	o->reads |= GPRS_ALL;
	if (what == 2) {
		o->is |= INSN_PINNED;
		o->changes |= 1u << RSP;
	}
	return true;
}

static bool stack(struct take *t, uint8_t op)
{
	unsigned reg = (op & 7) | (t->rex & 1 ? 8 : 0);
	if (t->p66 || reg == RSP)
		return false;
	take_reg(t, reg, 8, op & 8 ? WRITE : READ);
	t->out->reads |= 1u << RSP;
	t->out->changes |= 1u << RSP;
	t->out->kills |= 1u << RSP;
	t->out->is |= op & 8 ? INSN_MOV64 : 0;
	return true;
}

static bool mov(struct take *t, uint8_t op)
{
	unsigned bytes = width(t, !(op & 1));
	take_modrm(t);
	take_reg(t, t->reg, bytes, op & 2 ? WRITE : READ);
	take_rm(t, bytes, op & 2 ? READ : WRITE);
	if ((t->rex & 8) && (op & 1) && ((op & 2) || !t->memory))
		t->out->is |= INSN_MOV64;
	return true;
}

static bool one_byte(struct take *t, uint8_t op)
{
	unsigned bytes;
	if (op < 0x40 && (op & 7) < 4)
		return alu_modrm(t, op);
	if (op < 0x40 && (op & 6) == 4) {
		bytes = width(t, !(op & 1));
		take_reg(t, RAX, bytes, alu(t, op >> 3 & 7));
		take_imm(t, bytes);
		return true;
	}
	switch (op) {
	case 0x50 ... 0x5f:
		return stack(t, op);
	case 0x63:
		take_modrm(t);
		take_reg(t, t->reg, 8, WRITE);
		take_rm(t, 4, READ);
		return t->rex & 8;
	case 0x69:
	case 0x6b:
		bytes = width(t, false);
		take_modrm(t);
		take_reg(t, t->reg, bytes, WRITE);
		take_rm(t, bytes, READ);
		take_imm(t, op == 0x69 ? bytes : 1);
		t->out->kills |= FLAG_CF | FLAG_OF;
		return true;
	case 0x70 ... 0x7f:
		t->out->reads |= condition(op & 15);
		return take_branch(t, INSN_JCC, 1);
	case 0x80:
	case 0x81:
	case 0x83:
		bytes = width(t, !(op & 1));
		take_modrm(t);
		take_rm(t, bytes, alu(t, t->modrm >> 3 & 7));
		take_imm(t, op == 0x81 ? bytes : 1);
		return true;
	case 0x84:
	case 0x85:
		bytes = width(t, !(op & 1));
		take_modrm(t);
		take_reg(t, t->reg, bytes, READ);
		take_rm(t, bytes, READ);
		t->out->kills |= ARITH;
		return true;
	case 0x88 ... 0x8b:
		return mov(t, op);
	case 0x8d:
		take_modrm(t);
		take_reg(t, t->reg, width(t, false), WRITE);
		t->out->is |= INSN_LEA;
		return t->memory && !t->fs;
	case 0x90:
		return !t->p66 && !t->rex;
	case 0x98:
		take_reg(t, RAX, width(t, false), READ | WRITE);
		return true;
	case 0x99:
		take_reg(t, RAX, width(t, false), READ);
		take_reg(t, RDX, width(t, false), WRITE);
		return true;
	case 0xa8:
	case 0xa9:
		bytes = width(t, !(op & 1));
		take_reg(t, RAX, bytes, READ);
		take_imm(t, bytes);
		t->out->kills |= ARITH;
		return true;
	case 0xb0 ... 0xbf:
		bytes = width(t, !(op & 8));
		take_reg(t, (op & 7) | (t->rex & 1 ? 8 : 0), bytes, WRITE);
		take_imm(t, bytes);
		t->p += bytes == 8 ? 4 : 0;
		return true;
	case 0xc1:
	case 0xd1:
	case 0xd3:
		return shift(t, op);
	case 0xc3:
		t->out->kind = INSN_RET;
		t->out->reads |= GPRS_ALL;
		t->out->changes |= 1u << RSP;
		return !t->p66;
	case 0xc6:
	case 0xc7:
		bytes = width(t, !(op & 1));
		take_modrm(t);
		take_rm(t, bytes, WRITE);
		take_imm(t, bytes);
		return (t->modrm >> 3 & 7) == 0;
	case 0xe8:
		t->out->reads |= GPRS_ALL;
		t->out->changes |= 1u << RSP;
		t->out->is |= INSN_PINNED;
		return take_branch(t, INSN_CALL, 4);
	case 0xe9:
	case 0xeb:
		return take_branch(t, INSN_JMP, op == 0xe9 ? 4 : 1);
	case 0xf6:
	case 0xf7:
		return unary(t, op);
	case 0xfe:
	case 0xff:
		return group5(t, op);
	default:
		return false;
	}
}

bool decode_fast(const uint8_t *code, struct insn *out)
{
	struct take t = { .code = code, .p = code, .out = out };
	*out = (struct insn){ .at = out->at, .base = NO_REG, .index = NO_REG, .scale = 1 };
	for (bool more = true; more; t.p += more) {
		switch (*t.p) {
		case 0x66:
			t.p66 = true;
			break;
		case 0x64:
			t.fs = true;
			break;
		case 0xf2:
		case 0xf3:
			if (t.rep)
				return false;
			t.rep = *t.p;
			break;
		default:
			more = false;
		}
		if (t.p - code > 3)
			return false;
	}
	if ((*t.p & 0xf0) == 0x40)
		t.rex = *t.p++;
	uint8_t op = *t.p++;
	bool good;
	if (op == 0x0f) {
		op = *t.p++;
		if (op == 0x1e && t.rep == 0xf3 && *t.p == 0xfa && t.p - code == 3) {
			out->is = INSN_ENDBR;
			out->len = 4;
			return true;
		}
		good = take_two_byte(&t, op);
	} else {
		good = !t.rep && one_byte(&t, op);
	}
	out->len = (uint8_t)(t.p - code);
	return good && out->len <= 15;
}
