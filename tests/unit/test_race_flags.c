/*
 * test_race_flags.c - Words by which one thread tells another to go on, met for the first time.
 *
 * A check comes before its access, and one that hits says nothing. What threads do here are the calls of checks that miss; where a
 * comment says that a thread reads, its check hits and there is no call, and what it read is whatever was stored by then.
 */
#include "race_script.h"

#include "core/depot.h"
#include "core/module.h"

enum { STORE, LOAD, OTHER, NR_PLACES };
static uint32_t stacks[NR_PLACES];
static const char code[NR_PLACES];

static bool is_load_and_store(const uintptr_t *read_pc, unsigned nr, uintptr_t write_pc)
{
	return nr && *read_pc == (uintptr_t)&code[LOAD] && write_pc == (uintptr_t)&code[STORE];
}

static int start_with_flags(void **state)
{
	flag_at = is_load_and_store;
	module_start();
	const struct module *m = module_find((uintptr_t)code);
	for (unsigned i = 0; m && i < NR_PLACES; i++) {
		struct depot_frame f = { .module = (uint16_t)m->id, .offset = (uintptr_t)&code[i] - m->bias, .exact = 1 };
		stacks[i] = depot_put(&f, 1, false);
	}
	return m && stacks[OTHER] ? start(state) : 1;
}

static void store(struct thread *t, uintptr_t flag) { access(t, flag, 4, true, stacks[STORE]); }
static void load(struct thread *t, uintptr_t flag) { access(t, flag, 4, false, stacks[LOAD]); }

/* Races but those of the flag itself, which are told as such. */
static unsigned others(void)
{
	unsigned n = found - flags;
	found = flags = 0;
	return n;
}

/* A thread that waits is told by the store, though it has nothing to say any more. */
static void test_waits(void **state)
{
	(void)state;
	struct thread *m = born(NULL), *a = born(m), *b = born(m);
	uintptr_t x = memory(64), flag = memory(64);
	others();
	load(b, flag);
	access(a, x, 4, true, 3);
	store(a, flag);
	/* b reads */
	access(b, x, 4, false, 4);
	assert_int_equal(others(), 0);
	/* Not what it does later; unless that is told, too. */
	access(a, x + 8, 4, true, 3);
	access(b, x + 8, 4, false, 4);
	assert_int_equal(others(), 1);
	over(a, m);
	over(b, m);
	over(m, NULL);
}

/* So do many, of whom the granule has no room to keep each. */
static void test_many_wait(void **state)
{
	(void)state;
	for (unsigned nr = 1; nr <= 12; nr++) {
		struct thread *m = born(NULL), *a = born(m), *b[12];
		uintptr_t x = memory(64), flag = memory(64);
		others();
		for (unsigned i = 0; i < nr; i++)
			load(b[i] = born(m), flag);
		for (unsigned i = 0; i < nr; i++)
			access(b[i], flag + 4, 4, i == 0, stacks[OTHER]);
		races();
		flags = 0;
		access(a, x, 4, true, 3);
		store(a, flag);
		for (unsigned i = 0; i < nr; i++)
			access(b[i], x, 4, false, 4);
		assert_int_equal(others(), 0);
		for (unsigned i = 0; i < nr; i++)
			over(b[i], m);
		over(a, m);
		over(m, NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits),
		cmocka_unit_test(test_many_wait),
	};
	return cmocka_run_group_tests(tests, start_with_flags, NULL);
}
