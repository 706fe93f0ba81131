/*
 * test_race_flags.c - Words by which one thread tells another to go on, met for the first time.
 *
 * A check comes before its access, and one that hits says nothing. What threads do here are the calls of checks that miss; where a
 * comment says that a thread reads, its check hits and there is no call, and what it read is whatever was stored by then.
 */
#include "race_script.h"

#include "core/depot.h"
#include "core/module.h"

enum { STORE, LOAD = 8, OTHER, NR_PLACES };
static uint32_t stacks[NR_PLACES];
static const char code[NR_PLACES];

static bool is_load_and_store(const uintptr_t *read_pc, unsigned nr, uintptr_t write_pc)
{
	return (!nr || *read_pc == (uintptr_t)&code[LOAD]) && (!write_pc || write_pc - (uintptr_t)&code[STORE] < LOAD);
}

static unsigned bytes = 4; /* of a flag */
static unsigned size_of(uintptr_t pc)
{
	(void)pc;
	return bytes;
}

static int start_with_flags(void **state)
{
	flag_at = is_load_and_store;
	size_at = size_of;
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

/* Bytes side by side, each another thread's: more than there is room for. Looked at before they are set, or not. */
static void test_no_room(void **state)
{
	(void)state;
	bytes = 1; /* from here on */
	for (unsigned round = 0; round < 2; round++) {
		struct thread *m = born(NULL), *a[8], *b = born(m);
		uintptr_t x = memory(64), flag = memory(64);
		others();
		for (unsigned i = 0; i < 8; i++) {
			a[i] = born(m);
			if (round)
				access(b, flag + i, 1, false, stacks[LOAD]);
		}
		for (unsigned i = 0; i < 8; i++) {
			access(a[i], x + 4 * i, 4, true, 3);
			access(a[i], flag + i, 1, true, stacks[STORE]);
		}
		for (unsigned i = 0; i < 8; i++) {
			if (!round)
				access(b, flag + i, 1, false, stacks[LOAD]);
			access(b, x + 4 * i, 4, false, 4);
		}
		assert_int_equal(others(), 0);
		for (unsigned i = 0; i < 8; i++)
			over(a[i], m);
		over(b, m);
		over(m, NULL);
	}
}

/* All one thread's, each set somewhere else in the code. */
static void test_no_room_for_one(void **state)
{
	(void)state;
	struct thread *m = born(NULL), *a = born(m), *b = born(m);
	uintptr_t x = memory(64), flag = memory(64);
	others();
	for (unsigned i = 0; i < 8; i++) {
		access(a, x + 4 * i, 4, true, 3);
		access(a, flag + i, 1, true, stacks[STORE + i]);
	}
	for (unsigned i = 0; i < 8; i++) {
		access(b, flag + i, 1, false, stacks[LOAD]);
		access(b, x + 4 * i, 4, false, 4);
	}
	assert_int_equal(others(), 0);
	/* What is no flag is a race still, if not one that anybody knows the other half of. */
	for (unsigned i = 0; i < 8; i++)
		access(a, x + 32 + i, 1, true, stacks[STORE + i]);
	for (unsigned i = 0; i < 8; i++)
		access(b, x + 32 + i, 1, false, stacks[OTHER]);
	assert_int_equal(others(), 8);
	over(a, m);
	over(b, m);
	over(m, NULL);
}

/* Known to be atomics: what is done after the store is not released by it, and nothing of theirs is ever told. */
static void test_known(void **state)
{
	(void)state;
	struct thread *m = born(NULL);
	uintptr_t x = memory(64), flag = memory(64);
	race_atomic(flag + 4, 12);
	struct thread *a = born(m), *b = born(m);
	others();
	access(a, x, 4, true, 3);
	access(a, flag + 4, 4, true, stacks[OTHER]);
	access(a, x + 8, 4, true, 3);
	access(b, flag + 4, 4, false, stacks[OTHER]);
	access(b, x, 4, false, 4);
	assert_int_equal(found, 0);
	access(b, x + 8, 4, false, 4);
	assert_int_equal(found, 1);
	/* Both store: no race either. Nor does it matter who came first. */
	access(a, flag + 8, 8, true, stacks[OTHER]);
	access(b, flag + 8, 8, true, stacks[OTHER]);
	assert_int_equal(found, 1);
	/* As long as nobody does, it is as cheap as any other. */
	race_atomic(flag + 32, 8);
	assert_true(access(a, flag + 32, 4, false, stacks[OTHER]));
	assert_true(access_fast(b->race, flag + 36, 4, false, stacks[OTHER]));
	access(b, x + 16, 4, true, 3);
	access(b, flag + 32, 4, true, stacks[OTHER]);
	access(a, x + 16, 4, false, 4); /* a reads */
	assert_int_equal(found, 1);
	/* Their neighbours are what they were. */
	assert_true(access(a, flag, 4, true, 5));
	assert_true(access(b, flag, 4, true, 6));
	assert_int_equal(found, 2);
	over(a, m);
	over(b, m);
	over(m, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits),
		cmocka_unit_test(test_many_wait),
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_no_room_for_one),
	};
	return cmocka_run_group_tests(tests, start_with_flags, NULL);
}
