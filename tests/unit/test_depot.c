/* test_depot.c - Interned stacks against a plain list, at random and from several threads. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/depot.h"

#define MAX_FRAMES 20

struct twin {
	struct depot_frame f[MAX_FRAMES];
	unsigned nr;
	bool cut;
	uint32_t id;
};

static unsigned random_stack(struct depot_frame *f, unsigned *seed)
{
	/* Small numbers: many stacks share most frames, and some are prefixes of others. */
	unsigned nr = (unsigned)rand_r(seed) % (MAX_FRAMES + 1);
	for (unsigned i = 0; i < nr; i++) {
		f[i] = (struct depot_frame){ 0 };
		f[i].offset = (uint64_t)(rand_r(seed) % 2) << (rand_r(seed) % 2 ? 46 : 4);
		f[i].module = (uint16_t)(rand_r(seed) % 2 ? 65535 : 1);
		f[i].exact = rand_r(seed) % 8 == 0;
	}
	return nr;
}

static void check_same(const struct depot_stack *s, const struct depot_frame *f, unsigned nr, bool cut)
{
	assert_non_null(s);
	assert_int_equal(s->nr, nr);
	assert_int_equal(s->cut, cut);
	assert_memory_equal(s->frame, f, nr * sizeof(*f));
}

static void test_twin(void **state)
{
	(void)state;
	enum { N = 4000 };
	static struct twin list[N];
	unsigned nr_list = 0, seed = (unsigned)time(NULL) ^ (unsigned)getpid();
	printf("# seed %u\n", seed);
	assert_null(depot_get(0));
	assert_null(depot_get(1));
	for (unsigned i = 0; i < 8000; i++) {
		struct twin t = { 0 };
		t.nr = random_stack(t.f, &seed) % (i % 2 ? 3 : MAX_FRAMES + 1);
		t.cut = rand_r(&seed) % 2;
		t.id = depot_put(t.f, t.nr, t.cut);
		assert_int_not_equal(t.id, 0);
		unsigned k = 0;
		while (k < nr_list && !(list[k].nr == t.nr && list[k].cut == t.cut &&
					memcmp(list[k].f, t.f, t.nr * sizeof(t.f[0])) == 0))
			k++;
		if (k < nr_list)
			assert_int_equal(list[k].id, t.id);
		else if (nr_list < N)
			list[nr_list++] = t;
		assert_int_equal(depot_count() >= nr_list, 1);
	}
	for (unsigned k = 0; k < nr_list; k++) {
		check_same(depot_get(list[k].id), list[k].f, list[k].nr, list[k].cut);
		for (unsigned j = 0; j < k; j += 37)
			assert_int_not_equal(list[j].id, list[k].id);
	}
	assert_null(depot_get(depot_count() + 1));
	assert_null(depot_get(UINT32_MAX));
}

static void numbered(struct depot_frame *f, uint32_t n)
{
	for (unsigned i = 0; i < 3; i++) {
		f[i] = (struct depot_frame){ 0 };
		f[i].offset = n * 3 + i + 1;
		f[i].module = 7;
	}
}

#define MANY 60000u
static _Atomic uint32_t known[MANY];
static _Atomic bool stop;

/* Every thread puts the same stacks, each in its own order; all must get the same ids. */
static void *putter(void *arg)
{
	uint32_t step = (uint32_t)(uintptr_t)arg;
	struct depot_frame f[3];
	for (uint32_t i = 0; i < MANY; i++) {
		uint32_t n = (uint32_t)((uint64_t)i * step % MANY);
		numbered(f, n);
		uint32_t id = depot_put(f, 3, false), before = 0;
		if (id == 0 || (!atomic_compare_exchange_strong(&known[n], &before, id) && before != id))
			return (void *)1;
	}
	return NULL;
}

static void *reader(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	struct depot_frame f[3];
	while (!atomic_load(&stop)) {
		uint32_t n = (uint32_t)rand_r(&seed) % MANY, id = atomic_load(&known[n]);
		if (id == 0)
			continue;
		numbered(f, n);
		const struct depot_stack *s = depot_get(id);
		if (!s || s->nr != 3 || memcmp(s->frame, f, sizeof(f)) != 0 || depot_put(f, 3, false) != id)
			return (void *)1;
	}
	return NULL;
}

static void test_threads(void **state)
{
	(void)state;
	pthread_t t[5];
	uint32_t before = depot_count();
	for (uintptr_t i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, putter, (void *)(uintptr_t)((uintptr_t[]){ 1, 7, 59999 })[i]);
	for (uintptr_t i = 3; i < 5; i++)
		pthread_create(&t[i], NULL, reader, (void *)i);
	for (int i = 0; i < 5; i++) {
		void *bad;
		if (i == 3)
			atomic_store(&stop, true);
		pthread_join(t[i], &bad);
		assert_null(bad);
	}
	assert_int_equal(depot_count(), before + MANY);
}

static void test_long_and_fork(void **state)
{
	(void)state;
	static struct depot_frame f[70000];
	uint32_t id = depot_put(f, 70000, false);
	assert_int_equal(depot_get(id)->nr, 65535);
	assert_true(depot_get(id)->cut);
	depot_fork_child();
	assert_int_equal(depot_put(f, 70000, false), id);
	assert_int_not_equal(depot_put(f, 17, true), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_twin),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_long_and_fork),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
