/* step_row.c - The call frame instructions: a small machine that fills a row of rules (DWARF 5 section 6.4.2). */
#include "core/step_cfi.h"

#include <string.h>

#define REMEMBERED_MAX 6 /* compilers nest one */

struct machine {
	const struct cfi_fde *fde;
	struct cfi_cur c;
	uintptr_t loc;
	bool bad;
	unsigned depth;
	struct cfi_row row, initial;
	struct cfi_row kept[REMEMBERED_MAX];
};

static int32_t narrow(struct machine *m, int64_t v)
{
	m->bad |= v != (int32_t)v;
	return (int32_t)v;
}

/* Compilers write small factors; a product that overflows is not from one. */
static int32_t scaled(struct machine *m, int64_t v)
{
	int64_t out = 0;
	m->bad |= __builtin_mul_overflow(v, m->fde->data_align, &out);
	return narrow(m, out);
}

static void set(struct machine *m, uint64_t reg, enum cfi_how how, int32_t value)
{
	if (reg < STEP_REGS) /* nobody finds a frame by a vector register */
		m->row.reg[reg] = (struct cfi_rule){ (uint8_t)how, value };
}

static void restore(struct machine *m, uint64_t reg)
{
	if (reg < STEP_REGS)
		m->row.reg[reg] = m->initial.reg[reg];
}

static void cfa(struct machine *m, uint64_t reg, int32_t off)
{
	m->bad |= reg >= STEP_REGS;
	m->row.cfa_expr = false;
	m->row.cfa_reg = (uint8_t)reg;
	m->row.cfa_value = off;
}

/* Remembers where an expression stands and steps over it. */
static int32_t expression(struct machine *m)
{
	uint64_t where = (uint64_t)(m->c.p - m->fde->span.lo);
	m->bad |= where > UINT32_MAX;
	cfi_skip(&m->c, cfi_uleb(&m->c));
	return (int32_t)(uint32_t)where;
}

/* One of the instructions whose operand is not in the opcode. */
static void extended(struct machine *m, uint8_t op)
{
	struct cfi_cur *c = &m->c;
	uint64_t reg;
	switch (op) {
	case 0x00: /* nop */
		break;
	case 0x01: /* set_loc */
		m->loc = cfi_encoded(c, m->fde->enc, 0);
		break;
	case 0x02: /* advance_loc1, 2, 4 */
	case 0x03:
	case 0x04:
		m->loc += cfi_fixed(c, 1u << (op - 2)) * m->fde->code_align;
		break;
	case 0x05: /* offset_extended */
		reg = cfi_uleb(c);
		set(m, reg, CFI_AT_OFFSET, scaled(m, (int64_t)cfi_uleb(c)));
		break;
	case 0x06: /* restore_extended */
		restore(m, cfi_uleb(c));
		break;
	case 0x07: /* undefined */
		set(m, cfi_uleb(c), CFI_UNDEFINED, 0);
		break;
	case 0x08: /* same_value */
		set(m, cfi_uleb(c), CFI_SAME, 0);
		break;
	case 0x09: { /* register */
		reg = cfi_uleb(c);
		uint64_t in = cfi_uleb(c);
		m->bad |= in >= STEP_REGS && reg < STEP_REGS;
		set(m, reg, CFI_REGISTER, (int32_t)in);
		break;
	}
	case 0x0a: /* remember_state */
		if (m->depth == REMEMBERED_MAX)
			m->bad = true;
		else
			m->kept[m->depth++] = m->row;
		break;
	case 0x0b: /* restore_state */
		if (m->depth == 0)
			m->bad = true;
		else
			m->row = m->kept[--m->depth];
		break;
	case 0x0c: /* def_cfa */
		reg = cfi_uleb(c);
		cfa(m, reg, narrow(m, (int64_t)cfi_uleb(c)));
		break;
	case 0x0d: /* def_cfa_register */
		m->bad |= m->row.cfa_expr;
		cfa(m, cfi_uleb(c), m->row.cfa_value);
		break;
	case 0x0e: /* def_cfa_offset */
		m->bad |= m->row.cfa_expr;
		cfa(m, m->row.cfa_reg, narrow(m, (int64_t)cfi_uleb(c)));
		break;
	case 0x0f: /* def_cfa_expression */
		m->row.cfa_expr = true;
		m->row.cfa_value = expression(m);
		break;
	case 0x10: /* expression */
		reg = cfi_uleb(c);
		set(m, reg, CFI_AT_EXPR, expression(m));
		break;
	case 0x11: /* offset_extended_sf */
		reg = cfi_uleb(c);
		set(m, reg, CFI_AT_OFFSET, scaled(m, cfi_sleb(c)));
		break;
	case 0x12: /* def_cfa_sf */
		reg = cfi_uleb(c);
		cfa(m, reg, scaled(m, cfi_sleb(c)));
		break;
	case 0x13: /* def_cfa_offset_sf */
		m->bad |= m->row.cfa_expr;
		cfa(m, m->row.cfa_reg, scaled(m, cfi_sleb(c)));
		break;
	case 0x14: /* val_offset */
		reg = cfi_uleb(c);
		set(m, reg, CFI_IS_OFFSET, scaled(m, (int64_t)cfi_uleb(c)));
		break;
	case 0x15: /* val_offset_sf */
		reg = cfi_uleb(c);
		set(m, reg, CFI_IS_OFFSET, scaled(m, cfi_sleb(c)));
		break;
	case 0x16: /* val_expression */
		reg = cfi_uleb(c);
		set(m, reg, CFI_IS_EXPR, expression(m));
		break;
	case 0x2e: /* GNU_args_size: for landing pads only */
		cfi_uleb(c);
		break;
	case 0x2f: /* GNU_negative_offset_extended */
		reg = cfi_uleb(c);
		set(m, reg, CFI_AT_OFFSET, scaled(m, -(int64_t)cfi_uleb(c)));
		break;
	default:
		m->bad = true;
	}
}

static bool run(struct machine *m, const struct cfi_span *insns, uintptr_t pc)
{
	struct cfi_cur *c = &m->c;
	*c = (struct cfi_cur){ insns->lo, insns->hi, false };
	while (c->p < c->hi && m->loc <= pc) {
		uint8_t op = (uint8_t)cfi_fixed(c, 1);
		switch (op >> 6) {
		case 1: /* advance_loc */
			m->loc += (op & 0x3f) * m->fde->code_align;
			break;
		case 2: /* offset */
			set(m, op & 0x3f, CFI_AT_OFFSET, scaled(m, (int64_t)cfi_uleb(c)));
			break;
		case 3: /* restore */
			restore(m, op & 0x3f);
			break;
		default:
			extended(m, op);
		}
		if (m->bad || c->bad)
			return false;
	}
	return true;
}

bool cfi_row_at(const struct cfi_fde *fde, uintptr_t pc, struct cfi_row *out)
{
	struct machine m;
	m.fde = fde;
	m.loc = fde->start;
	m.bad = false;
	m.depth = 0;
	memset(&m.row, 0, sizeof(m.row));
	m.row.cfa_reg = 7;
	memset(&m.initial, 0, sizeof(m.initial));
	if (!run(&m, &fde->cie, UINTPTR_MAX))
		return false;
	m.initial = m.row;
	m.loc = fde->start;
	m.depth = 0;
	if (!run(&m, &fde->fde, pc))
		return false;
	*out = m.row;
	return true;
}
