/*
 * test_race.c - The rule, case by case. At random: test_race_random.c.
 */
#include "race_script.h"

#include "base/arena.h"

int fork(void), waitpid(int, int *, int); /* whose headers have an access() of their own */
void _exit(int) __attribute__((noreturn));

static void test_order(void **state)
{
	(void)state;
	struct thread *m = born(NULL), *a = born(m), *b = born(m);
	uintptr_t x = memory(64), lock = memory(64);
	races();
	/* Unordered. */
	assert_true(access(a, x, 4, true, 11));
	assert_true(access(b, x, 4, true, 12));
	assert_int_equal(races(), 1);
	assert_int_equal(last.now.thread, b->id);
	assert_int_equal(last.before.thread, a->id);
	assert_int_equal(last.now.stack, 12);
	assert_int_equal(last.before.stack, 11);
	assert_true(last.now.write && last.before.write);
	assert_int_equal(last.now.bytes, 4);
	assert_int_equal(last.now.addr, x);
	/* Other bytes of the granule. */
	access(a, x + 4, 2, true, 13);
	access(b, x + 6, 2, true, 14);
	assert_int_equal(races(), 0);
	access(b, x + 5, 2, false, 14);
	assert_int_equal(races(), 1);
	assert_int_equal(last.before.addr, x + 4);
	assert_int_equal(last.before.bytes, 2);
	/* Through a lock. */
	x = memory(64);
	access(a, x, 8, true, 1);
	sync_send(a, lock);
	sync_recv(b, lock);
	access(b, x, 8, true, 2);
	assert_int_equal(races(), 0);
	/* What a does after its release is not covered. */
	access(a, x + 8, 8, true, 1);
	sync_recv(b, lock);
	access(b, x + 8, 8, false, 1);
	assert_int_equal(races(), 1);
	/* Reads do not race, and both readers are kept. */
	x = memory(64);
	access(a, x, 8, false, 1);
	access(b, x, 8, false, 2);
	assert_int_equal(races(), 0);
	access(m, x, 8, true, 3);
	assert_int_equal(races(), 2);
	/* Create and join. */
	x = memory(64);
	access(m, x, 8, true, 1);
	struct thread *c = born(m);
	access(c, x, 8, true, 2);
	over(c, m);
	access(m, x, 8, true, 3);
	assert_int_equal(races(), 0);
	over(a, m);
	over(b, m);
	over(m, NULL);
}

/* A loop over bytes leaves one record for each kind of access, which stands for those bytes and no others. */
static void test_side_by_side(void **state)
{
	(void)state;
	struct thread *m = born(NULL), *a = born(m), *b = born(m);
	uintptr_t x = memory(64), lock = memory(64);
	access(a, x + 32, 1, false, 1);
	access(b, x + 32, 1, false, 1);
	access(m, x + 32, 1, false, 1); /* there is a shadow now */
	for (unsigned round = 0; round < 3; round++) {
		races();
		for (unsigned i = 0; i < 8; i++) {
			if (i == 5)
				continue;
			assert_true(access_fast(a->race, x + i, 1, false, 21));
			assert_true(access_fast(a->race, x + i, 1, true, 22));
			if (i % 3)
				assert_true(access_fast(a->race, x + i, 1, false, 23));
		}
		unsigned records = 0;
		for (unsigned i = 0; i < GRANULE_RECORDS; i++)
			records += shadow_granule(x)->record[i] != 0;
		assert_in_range(records, 1, round ? 2 : 1); /* and what b did to the fifth */
		/* In order: silent, and by the fast half. */
		sync_send(a, lock);
		sync_recv(b, lock);
		for (unsigned i = 0; i < 8; i++)
			assert_true(access_fast(b->race, x + i, 1, round & 1, 24));
		sync_send(b, lock);
		sync_recv(a, lock);
		assert_int_equal(races(), 0);
	}
	/* In none. */
	for (unsigned i = 0; i < 8; i++)
		if (i != 5)
			access(a, x + i, 1, true, 22);
	assert_true(access_fast(b->race, x + 5, 1, true, 24));
	assert_int_equal(races(), 0);
	for (unsigned i = 0; i < 8; i++) {
		access(b, x + i, 1, false, 24);
		assert_int_equal(races(), i != 5);
		assert_int_equal(last.before.stack, 22);
	}
	over(a, m);
	over(b, m);
	over(m, NULL);
}

static void test_slots(void **state)
{
	(void)state;
	struct thread *m = born(NULL), *old = born(m);
	uintptr_t x = memory(64), y = memory(64), lock = memory(64);
	races();
	access(old, x, 8, true, 1);
	uint32_t slot = old->race->slot;
	over(old, m);
	/* Joined: its slot serves the next one, which comes after it. */
	struct thread *next = born(m), *other = born(m);
	assert_int_equal(next->race->slot, slot);
	access(next, x, 8, true, 2);
	assert_int_equal(races(), 0);
	access(next, y, 8, true, 3);
	access(other, y, 8, true, 4);
	assert_int_equal(races(), 1); /* nobody told `other` of it, whoever was in the slot before */
	assert_int_equal(last.before.thread, next->id);
	over(next, NULL); /* never joined: its slot waits */
	struct thread *third = born(m);
	assert_int_not_equal(third->race->slot, slot);
	access(third, y, 8, true, 5);
	assert_int_equal(races(), 1);
	over(third, m);
	over(other, m);
	/* Many short ones: joined, then detached. */
	x = memory(64);
	y = memory(64);
	for (unsigned i = 0; i < 10000; i++) {
		struct thread *t = born(m);
		assert_non_null(t->race);
		assert_in_range(t->race->slot, 1, 20);
		access(t, x, 8, true, 1);
		over(t, m);
	}
	assert_int_equal(races(), 0);
	for (unsigned i = 0; i < 10000; i++) {
		struct thread *t = born(m);
		assert_non_null(t->race);
		assert_in_range(t->race->slot, 1, 100);
		sync_recv(t, lock);
		access(t, y + 16, 8, true, 1);
		sync_send(t, lock);
		over(t, NULL);
	}
	assert_int_equal(races(), 0);
	/* Two detached ones on one slot without order are a race all the same. */
	unsigned n = 0;
	for (unsigned i = 0; i < 300; i++) {
		struct thread *t = born(m);
		access(t, y + 24, 8, true, 1);
		over(t, NULL);
		n += races();
	}
	assert_int_equal(n, 299);
	assert_null(race_stopped);
	over(m, NULL);
}

/* Nobody saw it being created: it comes after everything before, and after nothing later. */
static void test_unseen(void **state)
{
	(void)state;
	struct thread *m = born(NULL), *a = born(m), *gone = born(m);
	uintptr_t x = memory(64);
	races();
	access(a, x, 8, true, 1);
	access(gone, x + 8, 8, true, 1);
	over(gone, NULL);
	struct thread *u = born(NULL);
	access(u, x, 8, true, 2);
	access(u, x + 8, 8, true, 2);
	assert_int_equal(races(), 0);
	struct thread *later = born(m); /* whatever slot it gets, u has not heard of it */
	access(later, x + 16, 8, true, 1);
	access(u, x + 16, 8, true, 2);
	sync_send(a, x + 64);
	access(a, x + 24, 8, true, 1);
	access(u, x + 24, 8, true, 2);
	assert_int_equal(races(), 2);
	over(u, NULL);
	over(later, m);
	over(a, m);
	over(m, NULL);
}

static void test_atomics(void **state)
{
	(void)state;
	struct thread *m = born(NULL), *a = born(m), *b = born(m), *c = born(m);
	uintptr_t x = memory(64), flag = memory(64);
	races();
	/* A flag set by xchg, polled by a plain load. */
	access(a, x, 8, true, 1);
	assert_true(access(b, flag, 4, false, 2));
	access_sync(a, flag, 4, true, 3);
	assert_int_equal(forgotten.addr, flag);
	assert_int_equal(forgotten.bytes, 4);
	assert_false(access(b, flag, 4, false, 2)); /* never tagged from now on */
	access(b, x, 8, true, 4);
	assert_int_equal(races(), 0);
	/* The value is read later than the call: what is released in between counts. */
	access_sync(c, flag, 4, true, 3);
	access(a, x + 8, 8, true, 1);
	access_sync(a, flag, 4, true, 3);
	access(c, x + 8, 8, true, 1);
	assert_int_equal(races(), 0);
	/* Counters that nobody looks at order only towards those who do. */
	access(a, x + 16, 8, true, 1);
	access_sync(a, flag + 32, 8, false, 3);
	access_sync(b, flag + 32, 8, false, 3);
	access(b, x + 16, 8, true, 2);
	assert_int_equal(races(), 1);
	/* A plain store to it releases. */
	access(b, x + 24, 8, true, 2);
	access(b, flag, 4, true, 2);
	access(c, flag, 4, false, 2);
	access(c, x + 24, 8, true, 2);
	assert_int_equal(races(), 0);
	/* The plain store was there before anybody knew what it is. */
	access(a, x + 32, 8, true, 1);
	access(a, flag + 40, 8, true, 1);
	access_sync(b, flag + 40, 8, true, 1);
	access(b, x + 32, 8, true, 1);
	assert_int_equal(races(), 0);
	/* Its neighbours in the granule are plain memory still. */
	assert_true(access(a, flag + 4, 4, true, 1));
	access(c, flag + 4, 4, true, 1);
	assert_int_equal(races(), 1);
	over(a, m);
	over(b, m);
	over(c, m);
	over(m, NULL);
}

/* Hardly used: what was never touched is not looked through, and nothing that was is passed over. */
static void test_sparse_memory(void **state)
{
	(void)state;
	struct thread *m = born(NULL), *a = born(m);
	const size_t bytes = (size_t)100 << 20;
	uintptr_t x = memory(bytes);
	for (unsigned round = 0; round < 200; round++) {
		uintptr_t at = round == 0 ? x : round == 1 ? x + bytes - 4 : x + (size_t)rand() % (bytes / 8) * 8;
		uintptr_t lo = round & 1 ? at - (at - x) / (unsigned)(rand() % 1000 + 1) / 8 * 8 : x;
		uintptr_t hi = round & 2 ? at + 4 + (x + bytes - at - 4) / (unsigned)(rand() % 1000 + 1) / 8 * 8 : x + bytes;
		races();
		access(a, at, 4, true, 1);
		mem_gone(m, lo, hi - lo, 2);
		assert_int_equal(races(), 1);
		assert_int_equal(last.now.addr, at);
		mem_fresh(m, lo, hi - lo, 3);
		mem_gone(m, lo, hi - lo, 2);
		assert_int_equal(races(), 0);
	}
	over(a, m);
	over(m, NULL);
}

static void test_memory(void **state)
{
	(void)state;
	struct thread *m = born(NULL), *a = born(m);
	uintptr_t x = memory(1 << 20);
	races();
	access(a, x + 100, 4, true, 1);
	mem_gone(m, x, 1000, 2);
	assert_int_equal(races(), 1);
	assert_true(last.now.write);
	assert_int_equal(last.now.addr, x + 100);
	mem_fresh(m, x, 1000, 3);
	access(m, x + 100, 4, true, 1);
	assert_int_equal(races(), 0);
	/* Used after it was given back. */
	mem_gone(m, x + 16, 1000, 2);
	access(a, x + 100, 4, false, 4);
	assert_int_equal(races(), 1);
	assert_int_equal(last.before.stack, 2);
	mem_fresh(m, x + 16, 1000, 3);
	sync_send(m, x);
	sync_recv(a, x);
	access(a, x + 100, 4, false, 4);
	assert_int_equal(races(), 0);
	mem_fresh(m, x, 1024, 3);
	/* Byte exact at the edges. */
	access(a, x + 1001, 1, true, 1);
	access(a, x + 1009, 1, true, 1);
	mem_fresh(m, x + 1002, 7, 1);
	access(m, x + 1001, 1, true, 1);
	access(m, x + 1002, 6, true, 1);
	access(m, x + 1009, 1, true, 1);
	assert_int_equal(races(), 2);
	/* Large. */
	for (unsigned i = 0; i < 1 << 20; i += 1000)
		access(a, x + i, 1, true, 1);
	mem_fresh(m, x + 1, (1 << 20) - 2, 1);
	for (unsigned i = 0; i < 1 << 20; i += 8)
		access(m, x + i, 8, true, 1);
	assert_int_equal(races(), 1);
	/* Any length, across granules. */
	access_seen(a, x + 3, 100, false, 1);
	assert_int_equal(races(), 13);
	/* Across regions, and nonsense. */
	access_seen(a, 0x7003fffffc0, 128, true, 1);
	access_seen(m, 0x70040000010, 16, true, 1);
	assert_int_equal(races(), 2);
	assert_false(access_seen(m, ~0ul - 3, 4, true, 1));
	assert_false(access_seen(m, ~0ul - 3, 8, true, 1));
	over(a, m);
	over(m, NULL);
}

/* Blocks of any size come and go: what was given back and not handed out anew is known to be so, byte by byte. */
static void test_blocks(void **state)
{
	enum { ALL = 2048, KEPT_OF_BLOCK = 512 };
	(void)state;
	struct thread *m = born(NULL), *a = born(m);
	uintptr_t area = memory(ALL + 8192), x = (area | 4095) + 1 + 512; /* no block begins a page */
	bool gone[ALL] = { false }, told[ALL] = { false };
	races();
	for (unsigned round = 0; round < 20000; round++) {
		/* Halves of granules: of smaller parts more than there are records for may come together. */
		unsigned lo = (unsigned)rand() % ALL & (round % 3 ? ~3u : ~15u), n = (4 + (unsigned)rand() % (round % 4 ? 200 : ALL)) & ~3u;
		unsigned hi = lo + n < ALL ? lo + n : ALL;
		bool comes = rand() & 1;
		if (comes)
			mem_fresh(m, x + lo, hi - lo, 1);
		else
			mem_gone(m, x + lo, hi - lo, 2);
		for (unsigned i = lo; i < hi; i++) {
			bool was = gone[i];
			gone[i] = !comes && i - lo < KEPT_OF_BLOCK;
			told[i] &= was && gone[i];
		}
		assert_int_equal(races(), 0);
		for (unsigned k = 0; k < 8; k++) {
			unsigned i = k < 4 ? (lo + hi) / 2 - 2 + k : (unsigned)rand();
			i %= ALL;
			access(a, x + i, 1, false, 3);
			unsigned nr = races();
			assert_true(nr == gone[i] || (told[i] && !nr)); /* what was told need not be told again */
			told[i] = gone[i];
			if (nr)
				assert_int_equal(last.before.stack, 2);
			sync_send(a, area);
		}
		sync_recv(m, area);
	}
	over(a, m);
	over(m, NULL);
}

static bool dropped[64];
static uintptr_t dropped_from;
static void drop(struct thread *t, uintptr_t addr, size_t bytes)
{
	(void)t;
	for (uintptr_t i = addr; i < addr + bytes; i += 8)
		dropped[(i - dropped_from) / 8] = true;
}
static void drop_granules(struct thread *t, uintptr_t addr, uint64_t which)
{
	(void)t;
	assert_true(which);
	for (; which; which &= which - 1)
		dropped[(addr - dropped_from) / 8 + granule_nth(which)] = true;
}

/* A thread's tags of a block are forgotten where it has any: when it gives the block back, and where it touched it afterwards. */
static void test_forgotten(void **state)
{
	const struct race_engine engine = { .forget = drop, .forget_granules = drop_granules };
	(void)state;
	assert_true(race_start(&engine, on_race));
	struct thread *m = born(NULL), *a = born(m);
	races();
	for (unsigned round = 0; round < 20000; round++) {
		uintptr_t x = dropped_from = (memory(8192) | 4095) + 1 + (size_t)rand() % 64 * 8 + 8;
		unsigned n = 1 + (unsigned)rand() % 64;
		bool touched[64] = { false };
		for (unsigned pass = 0; pass < 2; pass++) {
			bool after[64] = { false };
			for (unsigned k = (unsigned)rand() % (pass ? 12 : 4); k > 0; k--) {
				unsigned i = (unsigned)rand() % n;
				touched[i] = access(m, x + 8 * i, 8, true, 1);
			}
			memset(dropped, 0, sizeof dropped);
			mem_gone(m, x, 8 * n, 2);
			for (unsigned i = 0; i < n; i++)
				assert_true(dropped[i] >= touched[i]);
			for (unsigned k = (unsigned)rand() % 2; k > 0; k--) {
				unsigned i = (unsigned)rand() % n;
				after[i] = access(m, x + 8 * i, 8, true, 3);
			}
			memset(dropped, 0, sizeof dropped);
			mem_back(m, x, 8 * n);
			for (unsigned i = 0; i < 64; i++)
				assert_true(i < n ? dropped[i] >= after[i] && (n < 8 || dropped[i] == after[i]) : !dropped[i]);
			memset(touched, 0, sizeof touched);
			unsigned i = (unsigned)rand() % n; /* clean again, for anybody */
			access(a, x + 8 * i, 8, true, 1);
			mem_fresh(a, x, 8 * n, 1);
			assert_int_equal(races(), 0);
		}
	}
	over(a, m);
	over(m, NULL);
	assert_true(race_start(&(const struct race_engine){ 0 }, on_race));
}

/* Memory for the shadow counts; when there is none left, no more races are looked for. In a process of its own. */
static void test_limit(void **state)
{
	(void)state;
	int child = fork();
	assert_true(child >= 0);
	if (!child) {
		struct thread *m = born(NULL);
		uintptr_t x = memory(16 << 20);
		size_t had = arena_bytes();
		arena_limit(had + (4 << 20));
		race_start(NULL, on_race);
		bool good = true;
		for (unsigned i = 0; i < 512 << 10; i += 64) /* 2 MB of shadow and what belongs to it */
			good &= access(m, x + i, 4, true, 1);
		good &= !race_stopped && arena_bytes() - had > 2 << 20;
		size_t before = arena_bytes();
		int status, forked = fork();
		if (!forked) { /* it has none of it */
			race_fork_child(m);
			_exit(before - arena_bytes() > 2 << 20 && access(m, x, 4, true, 1) ? 0 : 1);
		}
		good &= waitpid(forked, &status, 0) == forked && status == 0;
		mem_fresh(m, x, 512 << 10, 1);
		good &= before - arena_bytes() > 2 << 20;
		for (unsigned i = 0; i < 2 << 20; i += 64)
			access(m, x + i, 4, true, 1);
		good &= race_stopped && arena_bytes() <= had + (4 << 20) && !access(m, x + (2 << 20) - 64, 4, true, 1);
		_exit(good ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_side_by_side),
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_unseen),
		cmocka_unit_test(test_atomics),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_forgotten),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_sparse_memory),
	};
	return cmocka_run_group_tests(tests, start, NULL);
}
