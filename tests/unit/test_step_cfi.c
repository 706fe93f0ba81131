/* test_step_cfi.c - The parser of call frame information: real files, spoiled ones, and expressions one by one. */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/module.h"
#include "core/step_rule.h"

/* A module's unwind tables, copied to the heap: everything in them is relative, so they then speak of code moved by
 * delta. */
struct copy {
	struct cfi_span span, hdr;
	uintptr_t delta;
	const struct module *m;
};

static bool copy_of(uintptr_t addr, struct copy *c)
{
	uintptr_t lo, hi, hdr;
	c->m = module_find(addr);
	hdr = (uintptr_t)c->m->eh_frame_hdr;
	if (!module_segment(c->m, hdr, false, &lo, &hi))
		return false;
	uint8_t *p = malloc(hi - hdr);
	memcpy(p, (const void *)hdr, hi - hdr);
	c->span = (struct cfi_span){ p, p + (hi - hdr) };
	c->hdr = (struct cfi_span){ p, p + c->m->eh_frame_hdr_bytes };
	c->delta = (uintptr_t)p - hdr;
	return true;
}

static bool row_in_copy(const struct copy *c, uintptr_t pc, struct cfi_fde *fde, struct cfi_row *row)
{
	uintptr_t at;
	bool linear;
	return cfi_search(&c->hdr, pc + c->delta, &at, &linear) &&
	       cfi_fde_at(&c->span, at, pc + c->delta, linear, fde) && cfi_row_at(fde, pc + c->delta, row);
}

static uintptr_t some_code(const char *symbol)
{
	return (uintptr_t)dlsym(RTLD_DEFAULT, symbol);
}

static void test_copy_says_the_same(void **state)
{
	(void)state;
	static const char *const names[] = { "qsort", "printf", "getaddrinfo", "pthread_create",
					     "fork",  "strtod", "regcomp" };
	struct copy c;
	assert_true(copy_of(some_code("qsort"), &c));
	unsigned rows = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		for (unsigned off = 0; off < 300; off++) {
			struct cfi_fde a, b;
			struct cfi_row ra, rb;
			uintptr_t pc = some_code(names[i]) + off;
			bool in_a = rule_row(c.m, pc, &a, &ra), in_b = row_in_copy(&c, pc, &b, &rb);
			assert_int_equal(in_a, in_b);
			if (!in_a)
				continue;
			assert_int_equal(a.start + c.delta, b.start);
			assert_int_equal(ra.cfa_expr, rb.cfa_expr);
			if (!ra.cfa_expr) {
				assert_int_equal(ra.cfa_reg, rb.cfa_reg);
				assert_int_equal(ra.cfa_value, rb.cfa_value);
			}
			rows++;
		}
	assert_true(rows > 500);
	free((void *)c.span.lo);
}

static bool no_memory(void *arg, uintptr_t addr, uintptr_t *value)
{
	(void)arg;
	*value = addr;
	return addr % 2 == 0;
}

static void evaluate_all(const struct cfi_fde *fde, const struct cfi_row *row)
{
	uintptr_t reg[STEP_REGS] = { 0 }, v;
	struct expr_env env = { reg, 0x1ffff, no_memory, NULL, 0, 0 };
	struct cfi_span bytes;
	for (unsigned i = 0; i < STEP_REGS; i++)
		if ((row->reg[i].how == CFI_AT_EXPR || row->reg[i].how == CFI_IS_EXPR) &&
		    cfi_expr_bytes(&fde->span, (uint32_t)row->reg[i].value, &bytes))
			expr_eval(&bytes, &env, &reg[0], &v);
	if (row->cfa_expr && cfi_expr_bytes(&fde->span, (uint32_t)row->cfa_value, &bytes))
		expr_eval(&bytes, &env, NULL, &v);
}

static void test_spoiled(void **state)
{
	(void)state;
	unsigned seed = (unsigned)time(NULL) ^ (unsigned)getpid(), rows = 0;
	static const char *const names[] = { "qsort", "printf", "getaddrinfo", "_exit", "abort", "longjmp" };
	struct copy c;
	printf("# seed %u\n", seed);
	assert_true(copy_of(some_code("qsort"), &c));
	for (unsigned i = 0; i < 30000; i++) {
		struct cfi_fde fde;
		struct cfi_row row;
		uintptr_t at,
		    pc = some_code(names[(unsigned)rand_r(&seed) % ARRAY_SIZE(names)]) + (unsigned)rand_r(&seed) % 200;
		bool linear;
		if (!cfi_search(&c.hdr, pc + c.delta, &at, &linear))
			continue;
		/* Some bytes of the FDE, its CIE or the header, then as they were. */
		uint8_t *hit[4], old[4];
		for (unsigned k = 0; k < 4; k++) {
			size_t where = k                   ? at - (uintptr_t)c.span.lo + (unsigned)rand_r(&seed) % 64
				       : rand_r(&seed) % 2 ? (unsigned)rand_r(&seed) % 12
							   : c.m->eh_frame_hdr_bytes + (unsigned)rand_r(&seed) % 64;
			hit[k] = (uint8_t *)c.span.lo + where % (size_t)(c.span.hi - c.span.lo);
			old[k] = *hit[k];
			*hit[k] = (uint8_t)rand_r(&seed);
		}
		if (row_in_copy(&c, pc, &fde, &row)) {
			rows++;
			evaluate_all(&fde, &row);
		}
		for (unsigned k = 4; k-- > 0;)
			*hit[k] = old[k];
	}
	printf("# %u rows all the same\n", rows);
	free((void *)c.span.lo);
}

static enum expr_end eval(const uint8_t *bytes, size_t n, uintptr_t *result)
{
	static uintptr_t reg[STEP_REGS];
	for (unsigned i = 0; i < STEP_REGS; i++)
		reg[i] = 100 + i;
	uint8_t *exact = malloc(n + !n);
	memcpy(exact, bytes, n);
	struct cfi_span span = { exact, exact + n };
	struct expr_env env = { reg, 0x1ffff & ~(1u << 12), no_memory, NULL, 0, 0 };
	enum expr_end end = expr_eval(&span, &env, NULL, result);
	free(exact);
	return end;
}

static void test_expressions(void **state)
{
	(void)state;
	static const struct {
		uint8_t n, bytes[12];
		enum expr_end end;
		uintptr_t value;
	} t[] = {
		{ 1, { 0x33 }, EXPR_OK, 3 },
		{ 2, { 0x77, 0x08 }, EXPR_OK, 115 },       /* breg7 8 */
		{ 2, { 0x76, 0x78 }, EXPR_OK, 98 },        /* breg6 -8 */
		{ 3, { 0x77, 0x01, 0x06 }, EXPR_OK, 108 }, /* breg7 1; deref */
		{ 2, { 0x77, 0x00 }, EXPR_OK, 107 },
		{ 3, { 0x77, 0x00, 0x06 }, EXPR_BAD, 0 },              /* cannot be read */
		{ 2, { 0x7c, 0x00 }, EXPR_LACKING, 0 },                /* breg12 */
		{ 3, { 0x08, 0xff, 0x1f }, EXPR_OK, -(uintptr_t)255 }, /* const1u 255; neg */
		{ 3, { 0x09, 0xff, 0x19 }, EXPR_OK, 1 },               /* const1s -1; abs */
		{ 3, { 0x38, 0x30, 0x1b }, EXPR_BAD, 0 },              /* 8 / 0 */
		{ 3, { 0x38, 0x32, 0x1b }, EXPR_OK, 4 },
		{ 3, { 0x38, 0x35, 0x1d }, EXPR_OK, 3 }, /* 8 mod 5 */
		{ 3, { 0x35, 0x38, 0x1c }, EXPR_OK, (uintptr_t)-3 },
		{ 4, { 0x31, 0x32, 0x33, 0x17 }, EXPR_OK, 2 }, /* rot: 3 1 2 */
		{ 5, { 0x31, 0x32, 0x33, 0x17, 0x13 }, EXPR_OK, 1 },
		{ 3, { 0x31, 0x32, 0x16 }, EXPR_OK, 1 },
		{ 4, { 0x31, 0x32, 0x33, 0x14 }, EXPR_OK, 2 },
		{ 5, { 0x31, 0x32, 0x33, 0x15, 0x02 }, EXPR_OK, 1 },
		{ 3, { 0x34, 0x32, 0x24 }, EXPR_OK, 16 },
		{ 4, { 0x31, 0x08, 0x40, 0x24 }, EXPR_OK, 0 }, /* 1 << 64 */
		{ 4, { 0x09, 0x80, 0x31, 0x26 }, EXPR_OK, (uintptr_t)-64 },
		{ 6, { 0x31, 0x28, 0x01, 0x00, 0x30, 0x37 }, EXPR_OK, 7 }, /* bra over a lit */
		{ 3, { 0x2f, 0xfd, 0xff }, EXPR_BAD, 0 },                  /* skip to itself, for ever */
		{ 3, { 0x2f, 0x01, 0x00 }, EXPR_BAD, 0 },                  /* out of it */
		{ 1, { 0x06 }, EXPR_BAD, 0 },
		{ 0, { 0 }, EXPR_BAD, 0 },
		{ 2, { 0x0a, 0x01 }, EXPR_BAD, 0 }, /* cut short */
		{ 1, { 0xff }, EXPR_BAD, 0 },
		/* The one every PLT has: rsp + 8 + ((rip & 15) >= 11) * 8, with rip = 116. */
		{ 11, { 0x77, 0x08, 0x80, 0x00, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22 }, EXPR_OK, 115 },
	};
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		uintptr_t v = 0;
		enum expr_end end = eval(t[i].bytes, t[i].n, &v);
		if (end != t[i].end || (end == EXPR_OK && v != t[i].value))
			printf("# expression %u: end %d value %lx\n", i, end, v);
		assert_int_equal(end, t[i].end);
		if (end == EXPR_OK)
			assert_int_equal(v, t[i].value);
	}
	uint8_t many[100];
	uintptr_t v;
	memset(many, 0x31, sizeof(many));
	assert_int_equal(eval(many, sizeof(many), &v), EXPR_BAD);
}

static void test_code_moves(void **state)
{
	(void)state;
	static const struct {
		bool moves;
		uint8_t n, code[16];
	} t[] = {
		{ false, 8, { 0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x20 } }, /* push; mov; sub $32 */
		{ true, 12, { 0x48, 0x83, 0xec, 0x20, 0x48, 0x83, 0xec, 0x20, 0xc3, 0, 0, 0 } }, /* two subs */
		{ true, 3, { 0x48, 0x29, 0xc4 } },                                               /* sub %rax, %rsp */
		{ true, 4, { 0x48, 0x83, 0xe4, 0xc0 } },                                         /* and $-64, %rsp */
		{ true, 3, { 0x4c, 0x89, 0xcc } },                                               /* mov %r9, %rsp */
		{ false, 3, { 0x48, 0x89, 0xec } },                                              /* mov %rbp, %rsp */
		{ false, 4, { 0x48, 0x8d, 0x65, 0xd8 } },                              /* lea -40(%rbp), %rsp */
		{ true, 4, { 0x49, 0x8d, 0x62, 0xf8 } },                               /* lea -8(%r10), %rsp */
		{ false, 7, { 0x48, 0x81, 0xc4, 0xd8, 0, 0, 0 } },                     /* add $216, %rsp */
		{ false, 3, { 0x49, 0x89, 0xc4 } },                                    /* mov %rax, %r12 */
		{ true, 9, { 0x48, 0x83, 0xec, 0x30, 0x48, 0x8d, 0x44, 0x24, 0x0f } }, /* sub; lea 15(%rsp), %rax */
		{ true, 7, { 0x48, 0x83, 0xec, 0x30, 0x48, 0x89, 0xe0 } },             /* sub; mov %rsp, %rax */
		{ true, 3, { 0x4c, 0x8b, 0xe4 } },                                     /* mov %rsp, %r12 */
		{ true, 4, { 0x48, 0x89, 0x65, 0xc8 } },                               /* mov %rsp, -56(%rbp) */
		{ false, 3, { 0x48, 0x8b, 0xec } },                                    /* mov %rsp, %rbp */
		{ true, 3, { 0x49, 0x8b, 0xe4 } },                                     /* mov %r12, %rsp */
		{ false, 3, { 0x4d, 0x8b, 0xe4 } },                                    /* mov %r12, %r12 */
		{ false, 2, { 0x48, 0x29 } },
	};
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		assert_int_equal(rule_code_moves(t[i].code, t[i].n), t[i].moves);
}

static void test_cache(void **state)
{
	(void)state;
	uint32_t rule = RULE_MAKE(RULE_SP, 0, 3, 9), epoch = module_epoch();
	assert_int_equal(RULE_KIND(rule), RULE_SP);
	assert_int_equal(RULE_RBP(rule), 3);
	assert_int_equal(RULE_CFA(rule), 9);
	rule_flush();
	/* Addresses that share places, in turn, twice; a hit must be the right one. */
	for (unsigned turn = 0; turn < 2; turn++)
		for (uintptr_t i = 1; i < 100000; i++) {
			uintptr_t addr = i * 0x8001 + (i << 30) * 3;
			uint32_t r = RULE_MAKE(RULE_BP, i & 1, i & 0xff, i & RULE_CFA_MAX);
			addr &= ((uintptr_t)1 << 47) - 1;
			uint32_t got = rule_cached(addr);
			assert_true(got == RULE_NONE || got == r);
			rule_add(addr, r, epoch);
			assert_int_equal(rule_cached(addr), r);
		}
	/* A rule read before a module went away is not kept. */
	rule_add(0x1234567, rule, epoch - 1);
	assert_int_equal(rule_cached(0x1234567), RULE_NONE);
	rule_add((uintptr_t)1 << 60, rule, epoch);
	assert_int_equal(rule_cached(0x5555555), RULE_NONE);
	rule_flush();
	assert_int_equal(rule_cached(99999ul * 0x8001 + (99999ul << 30) * 3), RULE_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copy_says_the_same),
		cmocka_unit_test(test_spoiled),
		cmocka_unit_test(test_expressions),
		cmocka_unit_test(test_code_moves),
		cmocka_unit_test(test_cache),
	};
	module_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
