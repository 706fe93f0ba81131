/* step_rule.c - See step_rule.h. */
#include "core/step_rule.h"

#include <string.h>

_Atomic uint64_t rule_table[1u << RULE_BITS];

void rule_add(uintptr_t addr, uint32_t rule, uint32_t epoch)
{
	uint64_t tag = addr >> RULE_BITS;
	if (tag > UINT32_MAX)
		return;
	uint32_t i = (uint32_t)(addr ^ tag) & ((1u << RULE_BITS) - 1);
	/* The second place if only that is free, or as chance has it. */
	bool free0 = atomic_load_explicit(&rule_table[i], memory_order_relaxed) == 0;
	bool free1 = atomic_load_explicit(&rule_table[i ^ 1], memory_order_relaxed) == 0;
	uint32_t odd = free0 ? 0 : free1 ? 1 : (uint32_t)(addr * 0x9e3779b97f4a7c15u >> 63);
	uint64_t e = tag << 32 | (uint64_t)odd << 31 | rule;
	atomic_store_explicit(&rule_table[i ^ odd], e, memory_order_seq_cst);
	/* A module went away while we read it, and the flush may have come by here already. */
	if (unlikely(module_epoch() != epoch))
		atomic_compare_exchange_strong(&rule_table[i ^ odd], &e, 0);
}

void rule_flush(void)
{
	for (unsigned i = 0; i < 1u << RULE_BITS; i++)
		if (atomic_load_explicit(&rule_table[i], memory_order_relaxed)) /* untouched pages stay so */
			atomic_store_explicit(&rule_table[i], 0, memory_order_relaxed);
}

bool rule_row(const struct module *m, uintptr_t addr, struct cfi_fde *fde, struct cfi_row *row)
{
	uintptr_t lo, hi, at;
	bool linear;
	uintptr_t hdr = (uintptr_t)m->eh_frame_hdr;
	/* The list of modules may be older than a dlclose: look before leaping. */
	if (!hdr || !module_segment(m, hdr, false, &lo, &hi) || !step_readable(hdr))
		return false;
	struct cfi_span head = { (const uint8_t *)hdr, (const uint8_t *)hdr + m->eh_frame_hdr_bytes };
	if (!cfi_search(&head, addr, &at, &linear))
		return false;
	if (!module_segment(m, at, false, &lo, &hi) || !step_readable(at))
		return false;
	struct cfi_span span = { (const uint8_t *)lo, (const uint8_t *)hi };
	return cfi_fde_at(&span, at, addr, linear, fde) && cfi_row_at(fde, addr, row);
}

static bool expr_is(const struct cfi_fde *fde, int32_t where, const char *bytes, size_t nr)
{
	struct cfi_span x;
	return cfi_expr_bytes(&fde->span, (uint32_t)where, &x) && (size_t)(x.hi - x.lo) == nr &&
	       memcmp(x.lo, bytes, nr) == 0;
}

/* CFA = *(rbp - n), rbp at *(rbp + 0): DW_OP_breg6 -n; DW_OP_deref and DW_OP_breg6 0. Returns n / 8, or 0. */
static uint32_t drap(const struct cfi_fde *fde, const struct cfi_row *row)
{
	struct cfi_span x;
	if (!row->cfa_expr || row->reg[6].how != CFI_AT_EXPR || !expr_is(fde, row->reg[6].value, "\x76\x00", 2))
		return 0;
	if (!cfi_expr_bytes(&fde->span, (uint32_t)row->cfa_value, &x) || x.hi - x.lo != 3 || x.lo[0] != 0x76 ||
	    x.lo[2] != 6)
		return 0;
	int n = (x.lo[1] & 0x40 ? 0x80 : 0) - (x.lo[1] & 0x7f); /* a one-byte signed LEB128, negated */
	return x.lo[1] & 0x80 || n <= 0 || n % 8 ? 0 : (uint32_t)n / 8;
}

/*
 * A frame found through rbp mostly has one size at one pc all the same. Only where its code can move rsp otherwise must
 * whoever remembers stacks look at the rbp that was saved.
 */
static bool moves(const struct module *m, const struct cfi_fde *fde)
{
	uintptr_t lo, hi;
	size_t bytes = fde->end - fde->start;
	if (bytes > 16384 || !module_segment(m, fde->start, true, &lo, &hi) || bytes > hi - fde->start)
		return true;
	return !step_readable(fde->start) || rule_code_moves((const uint8_t *)fde->start, bytes);
}

uint32_t rule_pack(const struct module *m, const struct cfi_fde *fde, const struct cfi_row *row)
{
	const struct cfi_rule *ra = &row->reg[fde->ra], *bp = &row->reg[6];
	if (ra->how == CFI_UNDEFINED)
		return RULE_MAKE(RULE_BOTTOM, 0, 0, 0);
	if (fde->signal || ra->how != CFI_AT_OFFSET || ra->value != -8)
		return RULE_NONE;
	if (row->reg[7].how != CFI_UNSET && !(row->reg[7].how == CFI_IS_OFFSET && row->reg[7].value == 0))
		return RULE_NONE;
	if (row->cfa_expr) {
		uint32_t n = drap(fde, row);
		return n ? RULE_MAKE(RULE_DRAP, 1, 0, n) : RULE_NONE;
	}
	if ((row->cfa_reg != 6 && row->cfa_reg != 7) || row->cfa_value < 0 || row->cfa_value % 8 ||
	    row->cfa_value / 8 > RULE_CFA_MAX)
		return RULE_NONE;
	uint32_t saved = 0;
	if (bp->how == CFI_AT_OFFSET) {
		if (bp->value > -16 || bp->value < -8 - 8 * 0xff || bp->value % 8)
			return RULE_NONE;
		saved = (uint32_t)(-bp->value - 8) / 8;
	} else if (bp->how != CFI_UNSET && bp->how != CFI_SAME) {
		return RULE_NONE;
	}
	bool by_bp = row->cfa_reg == 6;
	return RULE_MAKE(by_bp ? RULE_BP : RULE_SP, by_bp && moves(m, fde), saved, row->cfa_value / 8);
}

/* Whether the instruction `rex op modrm sib` takes the stack pointer's value, but to make it the frame pointer. Memory
 * that alloca got by a constant amount, which looks like a prologue's, cannot be used otherwise. */
static bool reads_sp(uint8_t rex, uint8_t op, uint8_t modrm, uint8_t sib)
{
	bool from_reg = !(rex & 4) && (modrm & 0x38) == 0x20;
	if (op == 0x89) /* mov rsp, r/m */
		return from_reg && !(rex == 0x48 && modrm == 0xe5) && (modrm & 0xc7) != 0xc4;
	if (op == 0x8b) /* mov reg, rsp */
		return (modrm & 0xc7) == 0xc4 && !(rex & 1) && !(rex == 0x48 && modrm == 0xec);
	return op == 0x8d && modrm < 0xc0 && (modrm & 7) == 4 && (sib & 7) == 4 && !(rex & 1) &&
	       !from_reg; /* lea d(rsp), reg */
}

/* Whether it writes the stack pointer with something that is not the same each time. */
static bool writes_sp(uint8_t rex, uint8_t op, uint8_t modrm, uint8_t sib)
{
	bool rm = !(rex & 1) && (modrm & 0xc7) == 0xc4, reg = !(rex & 4) && (modrm & 0x38) == 0x20;
	switch (op) {
	case 0x01: /* OP reg, r/m: add, or, adc, sbb, and, sub, xor, mov */
	case 0x09:
	case 0x11:
	case 0x19:
	case 0x21:
	case 0x29:
	case 0x31:
	case 0x89:
		return rm && !(op == 0x89 && rex == 0x48 && modrm == 0xec); /* but mov rbp, rsp */
	case 0x03:                                                          /* OP r/m, reg; movslq, imul */
	case 0x0b:
	case 0x13:
	case 0x1b:
	case 0x23:
	case 0x2b:
	case 0x33:
	case 0x63:
	case 0x69:
	case 0x6b:
	case 0x8b:
		return reg && !(op == 0x8b && rex == 0x48 && modrm == 0xe5);
	case 0x87: /* xchg */
		return rm || reg;
	case 0x94: /* xchg rax, rsp */
		return !(rex & 1);
	case 0x8d: /* lea: from rbp or rsp by a constant it comes out the same */
		return reg && !(rex == 0x48 &&
				(modrm == 0x65 || modrm == 0xa5 || ((modrm == 0x64 || modrm == 0xa4) && sib == 0x24)));
	case 0x81: /* OP imm, rsp: all but add, sub and cmp */
	case 0x83:
		return rm && (modrm & 0x38) != 0x00 && (modrm & 0x38) != 0x28 && (modrm & 0x38) != 0x38;
	case 0x0f: /* cmov */
		return (modrm & 0xf0) == 0x40 && !(rex & 4) && (sib & 0x38) == 0x20;
	}
	return false;
}

bool rule_code_moves(const uint8_t *code, size_t bytes)
{
	unsigned subs = 0;
	/* Every place is taken for the beginning of an instruction: what is not one can only add a "yes". Whatever
	 * touches rsp as a whole has REX.W, but for push, pop, call and ret, which a compiler keeps balanced. */
	for (size_t i = 0; i + 2 < bytes; i++) {
		uint8_t rex = code[i], op = code[i + 1], modrm = code[i + 2], sib = i + 3 < bytes ? code[i + 3] : 0;
		if ((rex & 0xf8) != 0x48)
			continue;
		if (reads_sp(rex, op, modrm, sib) || writes_sp(rex, op, modrm, sib))
			return true;
		if ((op == 0x81 || op == 0x83) && modrm == 0xec && !(rex & 1) && ++subs > 1)
			return true;
	}
	return false;
}
