/*
 * fuzz_cfi.c - Call frame information and DWARF expressions from anybody's file.
 *
 * Input: two bytes that choose the pc, then an .eh_frame_hdr with whatever follows it.
 * build: clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Ipreload tests/fuzz/fuzz_cfi.c \
 *	preload/core/step*.c preload/core/module.c preload/base/?*.c -o fuzz_cfi
 */
#include <stdlib.h>
#include <string.h>

#include "core/step_cfi.h"
#include "core/step_rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Memory that expressions see: what they ask for, most of the time. */
static bool read_back(void *arg, uintptr_t addr, uintptr_t *value)
{
	(void)arg;
	*value = addr * 3;
	return addr % 16 != 5;
}

static void evaluate(const struct cfi_span *span, uint32_t where, bool push)
{
	uintptr_t reg[STEP_REGS] = { 0 }, result, first = 0x1000;
	for (unsigned i = 0; i < STEP_REGS; i++)
		reg[i] = (uintptr_t)span->lo + 8 * i;
	struct expr_env env = { reg, where % 2 ? 0x1ffff : 0x100c0, read_back, NULL, 0, 0 };
	struct cfi_span bytes;
	if (cfi_expr_bytes(span, where, &bytes))
		expr_eval(&bytes, &env, push ? &first : NULL, &result);
}

static void try_at(const struct cfi_span *span, uintptr_t at, bool linear, unsigned delta)
{
	struct cfi_fde fde;
	struct cfi_row row;
	memset(&fde, 0, sizeof(fde));
	/* The code it speaks of follows from its own bytes: ask for nothing to learn that. */
	cfi_fde_at(span, at, 0, linear, &fde);
	uintptr_t pc = fde.start + delta;
	if (!cfi_fde_at(span, at, pc, linear, &fde) || !cfi_row_at(&fde, pc, &row))
		return;
	if (row.cfa_expr)
		evaluate(span, (uint32_t)row.cfa_value, false);
	else if (row.cfa_reg >= STEP_REGS)
		abort();
	for (unsigned i = 0; i < STEP_REGS; i++) {
		if (row.reg[i].how == CFI_AT_EXPR || row.reg[i].how == CFI_IS_EXPR)
			evaluate(span, (uint32_t)row.reg[i].value, true);
		if (row.reg[i].how == CFI_REGISTER && (uint32_t)row.reg[i].value >= STEP_REGS)
			abort();
	}
	struct module nowhere = { .id = 0 };
	if (row.cfa_expr || row.cfa_reg != 6) /* the other kind looks at the module's code */
		rule_pack(&nowhere, &fde, &row);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 3)
		return 0;
	unsigned delta = data[0] | (unsigned)data[1] << 8;
	size -= 2;
	uint8_t *copy = malloc(size); /* of this size exactly, so that a byte too far is seen */
	memcpy(copy, data + 2, size);
	struct cfi_span span = { copy, copy + size };
	uintptr_t at;
	bool linear;
	if (cfi_search(&span, (uintptr_t)copy + delta, &at, &linear))
		try_at(&span, at, linear, delta);
	try_at(&span, (uintptr_t)copy, true, delta & 0xff);
	try_at(&span, (uintptr_t)copy + size / 2, false, delta >> 8);
	evaluate(&span, delta % (uint32_t)size, delta & 1);
	rule_code_moves(copy, size);
	free(copy);
	return 0;
}
