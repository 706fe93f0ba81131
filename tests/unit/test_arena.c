/* arena: zeroed, aligned, apart, bounded. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <cmocka.h>

#include "base/arena.h"

static void all_zero(const void *p, size_t n)
{
	const char *c = p;
	for (size_t i = 0; i < n; i++)
		assert_int_equal(c[i], 0);
}

static void test_alloc(void **state)
{
	(void)state;
	static const size_t sizes[] = { 0, 1, 15, 16, 17, 100, 4096, 65536, 262143, 262144, 1 << 20, 3 << 20 };
	char *last = NULL;
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			char *p = arena_alloc(sizes[i]);
			assert_non_null(p);
			assert_int_equal((uintptr_t)p % 16, 0);
			assert_ptr_not_equal(p, last);
			all_zero(p, sizes[i]);
			memset(p, 0xee, sizes[i]);
			last = p;
		}
}

static void test_map(void **state)
{
	(void)state;
	size_t before = arena_bytes();
	char *p = arena_map(5000), *q = arena_map(5 << 20);
	assert_non_null(p);
	assert_non_null(q);
	assert_int_equal(arena_bytes() - before, 8192 + (5 << 20));
	assert_int_equal((uintptr_t)q % (2 << 20), 0);
	all_zero(p, 8192);
	q[(5 << 20) - 1] = 1;
	arena_unmap(p, 5000);
	arena_unmap(q, 5 << 20);
	arena_unmap(NULL, 77);
	assert_int_equal(arena_bytes(), before);
	assert_null(arena_map(0));
	assert_null(arena_map(SIZE_MAX));
	assert_null(arena_alloc(SIZE_MAX - 8));
}

static void test_limit(void **state)
{
	(void)state;
	uint64_t refused = arena_refused();
	arena_limit(arena_bytes() + (64 << 10));
	size_t got = 0;
	while (arena_alloc(1000))
		got++;
	/* What the last chunk had left, and the 64 KiB up to a page. */
	assert_in_range(got, 60, (1 << 20) / 1000 + 64);
	assert_true(arena_refused() > refused);
	assert_null(arena_map(1 << 20));
	assert_null(arena_malloc(1 << 20));
	assert_null(arena_calloc(3, 1 << 19));
	arena_limit(0);
	assert_non_null(arena_alloc(1000));
	assert_non_null(arena_alloc(200000)); /* larger than the small chunks the limit left */
	/* And when it is the kernel that refuses. */
	struct rlimit old, tight;
	getrlimit(RLIMIT_AS, &old);
	tight = old;
	tight.rlim_cur = 1 << 20;
	setrlimit(RLIMIT_AS, &tight);
	size_t bytes = arena_bytes();
	void *p = arena_map(64 << 20);
	setrlimit(RLIMIT_AS, &old);
	assert_null(p);
	assert_int_equal(arena_bytes(), bytes);
}

static void test_heap(void **state)
{
	(void)state;
	char *p = arena_malloc(10);
	assert_int_equal((uintptr_t)p % 16, 0);
	memset(p, 1, 10);
	arena_free(p);
	char *q = arena_malloc(12);
	assert_ptr_equal(p, q); /* free lists are used */
	q = arena_realloc(q, 16);
	assert_ptr_equal(p, q); /* fits where it is */
	strcpy(q, "fifteen letters");
	q = arena_realloc(q, 200000);
	assert_string_equal(q, "fifteen letters");
	q = arena_realloc(q, 5);
	arena_free(q);
	arena_free(NULL);
	assert_null(arena_calloc(SIZE_MAX / 2, 3));
	assert_null(arena_malloc(SIZE_MAX - 4));
	char *z = arena_calloc(3, 5);
	all_zero(z, 15);
	arena_free(z);
	assert_non_null(p = arena_realloc(NULL, 3));
	arena_free(p);
}

#define SLOTS 200

/* Against a plain record of what should be where. */
static void *churn(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	struct {
		unsigned char *p;
		size_t len;
		unsigned char fill;
	} slot[SLOTS] = { 0 };
	for (int i = 0; i < 60000; i++) {
		unsigned k = (unsigned)rand_r(&seed) % SLOTS;
		for (size_t j = 0; j < slot[k].len; j++)
			if (slot[k].p[j] != slot[k].fill)
				return "overwritten";
		/* Mostly small, now and then beyond the size classes. */
		size_t len = (size_t)rand_r(&seed) % (i % 100 ? 300 : 150000);
		if (slot[k].p && rand_r(&seed) % 2) {
			arena_free(slot[k].p);
			slot[k].p = NULL;
			slot[k].len = 0;
			continue;
		}
		size_t keep = slot[k].len < len ? slot[k].len : len;
		unsigned char *p = arena_realloc(slot[k].p, len);
		if (!p || (uintptr_t)p % 16)
			return "refused";
		for (size_t j = 0; j < keep; j++)
			if (p[j] != slot[k].fill)
				return "lost by realloc";
		slot[k].fill = (unsigned char)rand_r(&seed);
		memset(p, slot[k].fill, len);
		slot[k].p = p;
		slot[k].len = len;
		if (i % 7 == 0) {
			uint64_t *fresh = arena_alloc(48);
			for (int j = 0; j < 6; j++)
				if (fresh[j])
					return "not zero";
			memset(fresh, 0xff, 48);
		}
	}
	for (int k = 0; k < SLOTS; k++)
		arena_free(slot[k].p);
	return NULL;
}

static void test_random(void **state)
{
	(void)state;
	const char *given = getenv("SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 0) : (unsigned)time(NULL);
	printf("# SEED=%u\n", seed);
	pthread_t t[3];
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		pthread_create(&t[i], NULL, churn, (void *)(uintptr_t)(seed + i));
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		void *trouble;
		pthread_join(t[i], &trouble);
		if (trouble)
			fail_msg("%s", (char *)trouble);
	}
	assert_true(arena_bytes() < (size_t)200 << 20);
}

/* Several threads find the same chunk full at the same moment, again and again. */
static void *hammer(void *arg)
{
	uintptr_t me = (uintptr_t)arg;
	uintptr_t *chain = NULL;
	for (int i = 0; i < 6000; i++) {
		size_t words = 300 + (size_t)i % 100;
		uintptr_t *p = arena_alloc(words * sizeof *p);
		if (!p || p[0] || p[words - 1])
			return "refused or not zero";
		p[0] = (uintptr_t)chain;
		p[1] = p[words - 1] = me;
		p[2] = words;
		chain = p;
	}
	for (; chain; chain = (uintptr_t *)chain[0])
		if (chain[1] != me || chain[chain[2] - 1] != me)
			return "given to two";
	return NULL;
}

static void test_threads(void **state)
{
	(void)state;
	pthread_t t[6];
	for (uintptr_t i = 0; i < ARRAY_SIZE(t); i++)
		pthread_create(&t[i], NULL, hammer, (void *)(i + 1));
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		void *trouble;
		pthread_join(t[i], &trouble);
		if (trouble)
			fail_msg("%s", (char *)trouble);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alloc), cmocka_unit_test(test_map),    cmocka_unit_test(test_limit),
		cmocka_unit_test(test_heap),  cmocka_unit_test(test_random), cmocka_unit_test(test_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
