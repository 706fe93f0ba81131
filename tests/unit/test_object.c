/* The registry against a plain array, at random; then readers beside a writer. */
#include "core/object.h"

#include <pthread.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/arena.h"
#include "core/module.h"

#define PLACES 4096

static char arena[PLACES * 64] __attribute__((aligned(4096)));

struct twin {
	uint32_t id; /* 0: nothing */
	uint32_t dead;
	int family;
};
static struct twin twin[PLACES];
static unsigned long seed;

static unsigned rnd(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

static uintptr_t place(unsigned i) { return (uintptr_t)&arena[i * 64]; }

static void gone(uint32_t id, uintptr_t addr, void *arg)
{
	(void)addr;
	unsigned *nr = arg;
	assert_int_not_equal(id, 0);
	for (unsigned i = 0; i < PLACES; i++)
		if (twin[i].id == id) {
			twin[i].id = 0;
			++*nr;
			return;
		}
	fail_msg("an object ended that the twin does not know");
}

static void add(unsigned i, int family, bool init)
{
	uint32_t old, dead;
	struct object_news n = { .addr = place(i), .family = (enum object_family)family, .kind = LOCK_MUTEX, .stack = 7, .thread = 1,
				 .init = init };
	uint32_t id = object_add(&n, &old, &dead);
	assert_int_not_equal(id, 0);
	if (twin[i].id && twin[i].family == family && !init) {
		assert_int_equal(id, twin[i].id); /* it was there */
		return;
	}
	assert_int_equal(old, twin[i].id);
	assert_int_equal(dead, twin[i].dead);
	assert_int_not_equal(id, twin[i].id);
	twin[i] = (struct twin){ id, 0, family };
}

static void forget(unsigned i, unsigned n)
{
	unsigned live = 0, seen = 0;
	for (unsigned k = i; k < i + n; k++) {
		live += twin[k].id != 0;
		twin[k].dead = 0;
	}
	if (live)
		assert_true(object_maybe_in(place(i), n * 64));
	object_forget_range(place(i), n * 64, gone, &seen);
	assert_int_equal(seen, live);
}

static void against_twin(void **state)
{
	(void)state;
	seed = (unsigned long)time(NULL);
	print_message("seed %lu\n", seed);
	for (unsigned round = 0; round < 200000; round++) {
		unsigned i = rnd(PLACES), what = rnd(20);
		if (what < 10) {
			add(i, FAMILY_MUTEX + (int)rnd(3), rnd(8) == 0);
		} else if (what < 13 && twin[i].id) {
			object_destroy(twin[i].id);
			twin[i].dead = twin[i].id;
			twin[i].id = 0;
		} else if (what == 13) {
			unsigned n = 1 + rnd(rnd(10) ? 4 : 300);
			forget(i, i + n > PLACES ? PLACES - i : n);
		}
		i = rnd(PLACES);
		for (int f = FAMILY_MUTEX; f <= FAMILY_SPIN; f++)
			assert_int_equal(object_find(place(i), (enum object_family)f), twin[i].family == f ? twin[i].id : 0);
		assert_int_equal(object_at(place(i)), twin[i].id);
		assert_int_equal(object_dead_at(place(i)), twin[i].id ? 0 : twin[i].dead);
	}
}

static void unknown_ids_are_harmless(void **state)
{
	(void)state;
	assert_int_equal(object_by_id(0)->kind, LOCK_UNKNOWN);
	assert_int_equal(object_by_id(0x1fffffff)->kind, LOCK_UNKNOWN);
	assert_int_equal(object_find(0x1234567, FAMILY_MUTEX), 0);
}

static _Atomic bool over;
static uintptr_t stable[64];
static uint32_t stable_id[64];

/* What does not change must be found at all times, whatever happens around it: by the hot half nearly always, and if it finds
 * something it is that. */
static void *reader(void *arg)
{
	unsigned long *looked = arg;
	while (!over)
		for (unsigned i = 0; i < 64; i++, ++*looked) {
			uint32_t id = object_find(stable[i], FAMILY_RWLOCK);
			if ((id ? id : object_at(stable[i])) != stable_id[i])
				return "lost";
		}
	return NULL;
}

static void ignore(uint32_t id, uintptr_t addr, void *arg)
{
	(void)id;
	(void)addr;
	(void)arg;
}

static void readers_beside_a_writer(void **state)
{
	(void)state;
	pthread_t t[2];
	unsigned long looked[2] = { 0, 0 };
	uint32_t old, dead;
	for (unsigned i = 0; i < 64; i++) {
		stable[i] = 0x100000000000u + i * 4096 * 7;
		struct object_news n = { .addr = stable[i], .family = FAMILY_RWLOCK, .kind = LOCK_RWLOCK, .init = true };
		stable_id[i] = object_add(&n, &old, &dead);
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, reader, &looked[i]), 0);
	for (uintptr_t a = 0x200000000000u; a < 0x200000000000u + 200000 * 64; a += 64) {
		struct object_news n = { .addr = a, .family = FAMILY_MUTEX, .kind = LOCK_MUTEX };
		assert_int_not_equal(object_add(&n, &old, &dead), 0);
		if (a % 4096 == 4032)
			object_forget_range(a - 4032, 4096, ignore, NULL);
	}
	over = true;
	for (int i = 0; i < 2; i++) {
		void *lost;
		pthread_join(t[i], &lost);
		assert_null(lost);
		assert_true(looked[i] > 0);
	}
}

static void stack_objects_end_with_their_frames(void **state)
{
	(void)state;
	uint32_t old, dead;
	unsigned nr = 0;
	uintptr_t lo = 0x300000000000u, hi = lo + 65536;
	uint32_t id[3];
	for (unsigned i = 0; i < 3; i++) {
		struct object_news n = { .addr = lo + 4096 + i * 512, .family = FAMILY_MUTEX, .kind = LOCK_MUTEX, .thread = 5,
					 .stack_lo = lo, .stack_hi = hi };
		id[i] = object_add(&n, &old, &dead);
		twin[i].id = id[i];
	}
	memset(twin + 3, 0, sizeof twin - 3 * sizeof *twin);
	/* Another thread's frames are none of its business. */
	assert_int_equal(object_forget_stack(6, lo, hi, gone, &nr), UINTPTR_MAX);
	assert_int_equal(nr, 0);
	assert_int_equal(object_forget_stack(5, lo, lo + 4096 + 600, gone, &nr), lo + 4096 + 1024);
	assert_int_equal(nr, 2);
	assert_int_equal(object_find(lo + 4096, FAMILY_MUTEX), 0);
	assert_int_equal(object_find(lo + 4096 + 1024, FAMILY_MUTEX), id[2]);
}

/* Ten million come and go, a few of them stay, others are destroyed but keep their memory for a while: what
 * is kept goes by what is alive, whether they share one address or each has its own. */
static void come_and_go(void **state)
{
	(void)state;
	enum { ALL = 10000000, STAY = 1000 };
	size_t bytes = 0;
	uint32_t old, dead, id, before = 0;
	for (uint32_t i = 0; i < ALL; i++) {
		uintptr_t a = 0x400000000000u + (i % 2 ? 0 : i % 3 ? (uintptr_t)i * 64 : (uintptr_t)(i % 999) * 64);
		struct object_news n = { .addr = a, .family = FAMILY_MUTEX, .kind = LOCK_MUTEX, .init = true, .stack = i };
		if (i % (ALL / STAY) == 0) /* stays: far away from the others */
			n.addr = 0x500000000000u + (uintptr_t)i * 64;
		id = object_add(&n, &old, &dead);
		assert_true(id && id != before);
		before = id;
		assert_int_equal(object_find(n.addr, FAMILY_MUTEX), id);
		assert_int_equal(object_by_id(id)->init_stack, i);
		if (n.addr == a) {
			object_destroy(id);
			assert_int_equal(object_dead_at(a), id);
			assert_int_equal(object_by_id(id)->init_stack, i);
			if (i % 5)
				object_forget_range(a, 40, ignore, NULL);
		}
		/* What was destroyed and not freed is freed in the end. */
		if (i % 100000 == 99999)
			object_forget_range(0x400000000000u, (size_t)ALL * 64, ignore, NULL);
		if (i == ALL / 4)
			bytes = arena_bytes();
	}
	/* Each that stays keeps the 255 records beside it: 14 KB. */
	assert_in_range(arena_bytes() - bytes, 0, (STAY * 14 << 10) + (8 << 20));
	for (uint32_t i = 0; i < ALL; i += ALL / STAY)
		assert_int_not_equal(object_find(0x500000000000u + (uintptr_t)i * 64, FAMILY_MUTEX), 0);
}

/* While one thread is told what ended, others make new objects in the same records. */
enum { GOING = 200 };
static uint32_t going[GOING];
static const uintptr_t going_at = 0x600000000000u;

static void churns(uint32_t id, uintptr_t addr, void *arg)
{
	uint32_t old, dead;
	assert_int_equal(id, going[(addr - going_at) / 64]);
	for (unsigned i = 0; i < 600; i++) {
		struct object_news n = { .addr = 0x610000000000u + i * 64, .family = FAMILY_MUTEX, .kind = LOCK_MUTEX };
		assert_int_not_equal(object_add(&n, &old, &dead), 0);
	}
	object_forget_range(0x610000000000u, 600 * 64, ignore, NULL);
	++*(unsigned *)arg;
}

static void addresses_outlive_records(void **state)
{
	(void)state;
	uint32_t old, dead;
	unsigned seen = 0;
	for (unsigned i = 0; i < GOING; i++) {
		struct object_news n = { .addr = going_at + i * 64, .family = FAMILY_MUTEX, .kind = LOCK_MUTEX };
		going[i] = object_add(&n, &old, &dead);
	}
	object_forget_range(going_at, GOING * 64, churns, &seen);
	assert_int_equal(seen, GOING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(against_twin),
		cmocka_unit_test(unknown_ids_are_harmless),
		cmocka_unit_test(readers_beside_a_writer),
		cmocka_unit_test(stack_objects_end_with_their_frames),
		cmocka_unit_test(come_and_go),
		cmocka_unit_test(addresses_outlive_records),
	};
	module_start();
	object_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
