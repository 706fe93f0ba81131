/*
 * test_segment.c - Order by create and join: cases by hand, and random trees of threads against a transitive closure.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "detect/segment.h"

static uint32_t next_id = 1;

static bool both(uint32_t a, uint32_t sa, uint32_t b, uint32_t sb)
{
	bool yes = segment_ordered(a, sa, b, sb);
	assert_int_equal(segment_ordered(b, sb, a, sa), yes);
	return yes;
}

static void test_create_and_join(void **state)
{
	(void)state;
	uint32_t m = next_id++, t = next_id++, u = next_id++, v = next_id++;
	assert_true(segment_ordered(m, 0, m, 5));
	assert_false(both(m, 0, t, 0)); /* nothing known */
	segment_born(t, m, 0);
	assert_true(both(m, 0, t, 0));
	assert_true(both(m, 0, t, 7));
	assert_false(both(m, 1, t, 0));
	segment_born(u, m, 1);
	assert_true(both(m, 0, u, 0));
	assert_true(both(m, 1, u, 0));
	assert_false(both(m, 2, u, 0));
	assert_false(both(t, 0, u, 0));
	assert_false(segment_is_joined(t));
	assert_false(segment_joins_since(m, 0));
	segment_joined(t, m, 3);
	assert_true(segment_is_joined(t));
	assert_true(segment_joins_since(m, 2));
	assert_false(segment_joins_since(m, 3));
	assert_false(both(t, 0, m, 2));
	assert_true(both(t, 9, m, 3));
	assert_false(both(t, 0, u, 0));
	segment_born(v, m, 3);
	assert_true(both(t, 0, v, 0)); /* a thread after a thread */
	assert_false(both(u, 0, v, 0));
	/* Unknown ids, and none. */
	assert_false(both(t, 0, 4000000000u, 0));
	assert_false(both(t, 0, 0, 0));
}

/* Joined by somebody else than its parent: down into a child and up again elsewhere. */
static void test_foreign_join(void **state)
{
	(void)state;
	uint32_t m = next_id++, t = next_id++, u = next_id++, c = next_id++, d = next_id++;
	segment_born(t, m, 0);
	segment_born(u, m, 1);
	segment_born(c, t, 0);
	assert_false(both(t, 0, u, 1));
	segment_joined(c, u, 1);
	assert_false(both(t, 0, u, 0));
	assert_true(both(t, 0, u, 1));
	assert_false(both(t, 1, u, 1));
	segment_born(d, u, 1);
	assert_true(both(t, 0, d, 0));
	segment_joined(u, m, 3);
	assert_true(both(t, 0, m, 3));
	assert_true(both(c, 0, m, 3));
	assert_false(both(t, 1, m, 3));
	assert_false(both(t, 0, m, 2));
}

static void test_nonsense(void **state)
{
	(void)state;
	uint32_t a = next_id++, b = next_id++;
	segment_born(a, a, 0);
	segment_joined(a, a, 1);
	segment_born(a, 0, 0);
	segment_born(0, a, 0);
	segment_joined(0, a, 0);
	segment_born(b, a, 0);
	segment_born(a, b, 0); /* its own grandchild */
	segment_born(b, a, 4);
	segment_joined(a, b, 1);
	segment_joined(b, a, 1);
	assert_true(both(a, 0, b, 0));
	assert_false(both(a, 4, b, 0));
	assert_int_equal(segment_dropped(), 3);
}

static void test_fork(void **state)
{
	(void)state;
	uint32_t m = next_id++, t = next_id++, u = next_id++, v = next_id++;
	segment_born(t, m, 0);
	assert_false(both(m, 1, t, 0));
	segment_fork_child();
	segment_forked(m, 2);
	assert_false(both(m, 1, t, 0));
	assert_true(both(m, 2, t, 0));
	segment_born(u, m, 2);
	assert_true(both(u, 0, t, 5));
	assert_false(both(u, 0, m, 3));
	/* A fork of the fork, by another thread than the main one. */
	segment_fork_child();
	segment_forked(u, 1);
	segment_born(v, u, 1);
	assert_true(both(v, 0, m, 3));
	assert_true(both(v, 0, t, 0));
	assert_true(both(u, 1, m, 3));
	assert_false(both(u, 2, v, 0));
}

/* ---- random ---- */

enum { MAX_T = 24, MAX_S = 160 };

static uint64_t rng;
static uint32_t rnd(uint32_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)((rng >> 20) % n);
}

static void test_random(void **state)
{
	(void)state;
	static bool before[MAX_S][MAX_S];
	struct {
		uint32_t thread, seg;
	} m[MAX_S];
	for (uint64_t seed = 1; seed <= 3000; seed++) {
		rng = seed * 0x9e3779b97f4a7c15u | 1;
		uint32_t id[MAX_T], seg[MAX_T], at[MAX_T], parent[MAX_T], nr = 1, n = 0, steps = 5 + rnd(70),
									  loyal = rnd(3);
		bool joined[MAX_T] = { 0 };
		memset(before, 0, sizeof before);
#define ENTER(t)                     \
	do {                         \
		m[n].thread = id[t]; \
		m[n].seg = seg[t];   \
		at[t] = n++;         \
	} while (0)
#define AFTER(x, y)                                     \
	do {                                            \
		for (uint32_t i_ = 0; i_ < MAX_S; i_++) \
			before[i_][y] |= before[i_][x]; \
		before[x][y] = true;                    \
	} while (0)
		id[0] = next_id++;
		seg[0] = 0;
		ENTER(0);
		while (steps--) {
			uint32_t t = rnd(nr), u = rnd(nr);
			if (n > MAX_S - 3 || joined[t])
				continue;
			if (rnd(2) && nr < MAX_T) {
				uint32_t old = at[t];
				id[nr] = next_id++;
				seg[nr] = 0;
				parent[nr] = t;
				segment_born(id[nr], id[t], seg[t]++);
				ENTER(t);
				AFTER(old, at[t]);
				ENTER(nr);
				AFTER(old, at[nr]);
				nr++;
			} else if (u && u != t && !joined[u] && (loyal || parent[u] == t)) {
				uint32_t old = at[t];
				joined[u] = true;
				segment_joined(id[u], id[t], ++seg[t]);
				ENTER(t);
				AFTER(old, at[t]);
				AFTER(at[u], at[t]);
			}
		}
		for (uint32_t a = 0; a < n; a++)
			for (uint32_t b = 0; b < n; b++) {
				bool want = m[a].thread == m[b].thread || before[a][b] || before[b][a];
				if (segment_ordered(m[a].thread, m[a].seg, m[b].thread, m[b].seg) != want)
					fail_msg("seed %llu: (%u,%u) and (%u,%u) should%s be ordered",
						 (unsigned long long)seed, m[a].thread, m[a].seg, m[b].thread, m[b].seg,
						 want ? "" : " not");
			}
	}
}

/* ---- many ---- */

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void test_many(void **state)
{
	(void)state;
	double t = now();
	/* One after the other. */
	uint32_t m = next_id++, first = next_id;
	for (uint32_t i = 0; i < 10000; i++) {
		segment_born(next_id, m, 2 * i);
		segment_joined(next_id++, m, 2 * i + 2);
	}
	for (uint32_t i = 0; i < 1000000; i++)
		assert_true(segment_ordered(first + i % 10000, 0, first + i * 7919 % 10000, 0));
	/* Each made by the one before: ancestors by skip pointers. */
	first = next_id;
	for (uint32_t i = 0; i < 10000; i++, next_id++)
		segment_born(next_id + 1, next_id, 0);
	next_id++;
	for (uint32_t i = 0; i < 1000000; i++) {
		uint32_t a = first + i % 10000, b = first + i * 7919 % 10000;
		assert_int_equal(segment_ordered(a, 0, b, 0), true);
		assert_int_equal(segment_ordered(a, 1, b, 0), b <= a);
	}
	/* A reaper joins what another one makes. */
	m = next_id++;
	uint32_t reaper = next_id++;
	segment_born(reaper, m, 0);
	first = next_id;
	for (uint32_t i = 0; i < 10000; i++) {
		segment_born(next_id, m, i + 1);
		segment_joined(next_id++, reaper, i + 1);
	}
	for (uint32_t i = 0; i < 1000000; i++)
		assert_int_equal(segment_ordered(first + i % 10000, 0, first + i * 7919 % 10000, 0),
				 i % 10000 == i * 7919 % 10000);
	assert_true(now() - t < 20);
	print_message("%.2f s\n", now() - t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create_and_join), cmocka_unit_test(test_foreign_join),
		cmocka_unit_test(test_random),          cmocka_unit_test(test_many),
		cmocka_unit_test(test_nonsense),        cmocka_unit_test(test_fork),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
