/*
 * test_order.c - The lock-order graph's truth table: what must be reported, and beside each what must not.
 *
 * Events are abstract: threads, locks and stacks are numbers. Locks are new in every test, for there is one graph.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "detect/chain.h"
#include "detect/order.h"
#include "detect/segment.h"
#include "detect/topo.h"

enum { W = ORDER_WRITE, R = ORDER_READ, TRY = ORDER_TRY, TIMED = ORDER_TIMED };

struct thread {
	uint32_t id, seg, chain;
	struct order_cache cache;
	struct order_hold *held;
	unsigned nr, room;
};

static uint32_t nr_thread = 1, nr_lock = 1;

/* What the last reports said. */
static unsigned nr_cycles, last_nr;
static bool last_timed;
static uint32_t last_lock[64], last_want[64], last_hold[64], last_thread[64];

static void report(const struct order_cycle *c)
{
	nr_cycles++;
	last_nr = c->nr;
	last_timed = c->timed;
	for (unsigned i = 0; i < c->nr && i < 64; i++) {
		const struct order_dep *next = &c->dep[(i + 1) % c->nr];
		last_lock[i] = c->dep[i].lock;
		last_want[i] = c->dep[i].stack;
		last_thread[i] = c->dep[i].thread;
		last_hold[i] = 0;
		for (unsigned h = 0; h < next->nr_held; h++)
			if (next->held[h].lock == c->dep[i].lock)
				last_hold[i] = next->held[h].stack;
		assert_int_not_equal(last_hold[i], 0);
	}
	/* No lock of ours is held: this would hang. */
	order_forget(0x7fffffff);
}

static struct thread *born(struct thread *parent)
{
	struct thread *t = calloc(1, sizeof *t);
	t->id = nr_thread++;
	order_cache_start(&t->cache);
	if (parent)
		segment_born(t->id, parent->id, parent->seg++);
	return t;
}

static void end(struct thread *t)
{
	order_cache_stop(&t->cache);
	free(t->held);
	free(t);
}

static void join(struct thread *t, struct thread *child)
{
	segment_joined(child->id, t->id, ++t->seg);
	end(child);
}

/* Stacks are places in the code: not without number. */
static uint32_t stack_of(const struct thread *t, uint32_t lock)
{
	return t->id * 100000 + lock % 5000;
}

static void take(struct thread *t, uint32_t lock, uint32_t key)
{
	uint32_t next = order_next(&t->cache, t->chain, lock, key, t->seg);
	if (!next)
		next =
		    order_next_slow(&t->cache, t->id, t->seg, t->chain, t->held, t->nr, lock, key, stack_of(t, lock));
	t->chain = next;
	if (t->nr == t->room) {
		t->room = t->room ? 2 * t->room : 16;
		t->held = realloc(t->held, t->room * sizeof *t->held);
	}
	t->held[t->nr++] = (struct order_hold){ lock, stack_of(t, lock), key };
}

static void drop(struct thread *t, uint32_t lock)
{
	unsigned i = t->nr;
	while (t->held[i - 1].lock != lock)
		i--;
	memmove(&t->held[i - 1], &t->held[i], (t->nr - i) * sizeof *t->held);
	t->nr--;
	t->chain = order_rebuild(t->held, t->nr);
}

static void drop_all(struct thread *t)
{
	t->nr = t->chain = 0;
}

/* Takes these one in another and lets go of all. */
static void nest(struct thread *t, unsigned nr, const uint32_t *lock, const uint32_t *key)
{
	for (unsigned i = 0; i < nr; i++)
		take(t, lock[i], key ? key[i] : W);
	drop_all(t);
}
#define NEST(t, ...) nest(t, sizeof((uint32_t[]){ __VA_ARGS__ }) / 4, (uint32_t[]){ __VA_ARGS__ }, NULL)

static unsigned fresh(void)
{
	unsigned n = nr_cycles;
	nr_cycles = 0;
	return n;
}

static uint32_t locks(unsigned nr)
{
	uint32_t first = nr_lock;
	nr_lock += nr;
	return first;
}

static int setup(void **state)
{
	(void)state;
	order_on_cycle(report);
	order_on_question(NULL);
	nr_cycles = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	struct order_stats s;
	order_stats(&s);
	topo_check();
	return s.dropped != 0;
}

/* ---- plain inversions ---- */

static void test_inversion(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t = born(main), *u = born(main);
	uint32_t a = locks(2), b = a + 1;
	NEST(t, a, b);
	assert_int_equal(fresh(), 0);
	NEST(u, b, a);
	assert_int_equal(fresh(), 1);
	assert_int_equal(last_nr, 2);
	assert_false(last_timed);
	for (unsigned i = 0; i < 2; i++) {
		/* Each waits where it wants, for what the other took where it took it. */
		const struct thread *w = last_thread[i] == t->id ? t : u, *h = w == t ? u : t;
		assert_int_equal(last_lock[i], w == t ? b : a);
		assert_int_equal(last_want[i], stack_of(w, last_lock[i]));
		assert_int_equal(last_hold[i], stack_of(h, last_lock[i]));
	}
	/* Once is enough, also from others. */
	struct thread *v = born(main);
	for (int i = 0; i < 1000; i++) {
		NEST(i % 2 ? u : v, b, a);
		NEST(i % 2 ? v : t, a, b);
	}
	assert_int_equal(fresh(), 0);
	end(t), end(u), end(v), end(main);
}

static void test_rings(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t[1000];
	for (unsigned i = 0; i < 1000; i++)
		t[i] = born(main);
	for (unsigned nr = 2; nr <= 20; nr++) {
		uint32_t l = locks(nr);
		for (unsigned i = 0; i < nr; i++) {
			assert_int_equal(fresh(), 0);
			NEST(t[i], l + (i * 7) % nr, l + (i * 7 + 1) % nr); /* 7 * i: in no sensible order */
			if (nr == 7 || nr == 14)
				NEST(t[i], l + i, l + (i + 1) % nr);
		}
		assert_int_equal(fresh(), 1);
		assert_int_equal(last_nr, nr);
	}
	uint32_t l = locks(1000);
	for (unsigned i = 0; i < 1000; i++)
		NEST(t[i], l + i, l + (i + 1) % 1000);
	assert_int_equal(fresh(), 1);
	assert_int_equal(last_nr, 1000);
	/* A ring that one thread alone walks through is none, nor one that two share unfairly. */
	l = locks(6);
	for (unsigned i = 0; i < 6; i++)
		NEST(t[0], l + i, l + (i + 1) % 6);
	assert_int_equal(fresh(), 0);
	l = locks(3);
	NEST(t[0], l, l + 1);
	NEST(t[1], l + 1, l + 2);
	NEST(t[0], l + 2, l);
	assert_int_equal(fresh(), 0);
	NEST(t[2], l + 2, l);
	assert_int_equal(fresh(), 1);
	for (unsigned i = 0; i < 1000; i++)
		end(t[i]);
	end(main);
}

/* A ring of two is told; bigger ones around the same two are not. A bigger one beside it is. */
static void test_shortest(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t[4];
	for (unsigned i = 0; i < 4; i++)
		t[i] = born(main);
	uint32_t a = locks(4), b = a + 1, c = a + 2, d = a + 3;
	NEST(t[0], a, b);
	NEST(t[1], b, a);
	assert_int_equal(fresh(), 1);
	NEST(t[2], b, c);
	NEST(t[3], c, a);
	assert_int_equal(fresh(), 0);
	NEST(t[2], c, d);
	NEST(t[1], d, b);
	assert_int_equal(fresh(), 0);
	NEST(t[3], b, c); /* b of t3, c of t2, d of t1 */
	assert_int_equal(fresh(), 1);
	assert_int_equal(last_nr, 3);
	for (unsigned i = 0; i < 4; i++)
		end(t[i]);
	end(main);
}

/* ---- what excuses ---- */

static void test_same_thread(void **state)
{
	(void)state;
	struct thread *t = born(NULL);
	uint32_t a = locks(2), b = a + 1;
	NEST(t, a, b);
	NEST(t, b, a);
	assert_int_equal(fresh(), 0);
	end(t);
}

static void test_gate(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t = born(main), *u = born(main), *v = born(main);
	uint32_t g = locks(3), a = g + 1, b = g + 2;
	NEST(t, g, a, b);
	NEST(u, g, b, a);
	NEST(v, g, b, a);
	assert_int_equal(fresh(), 0);
	/* Once without it: t's own earlier one does not count, the others' do. */
	NEST(t, a, b);
	assert_int_equal(fresh(), 1);

	/* A gate that is only read protects nothing. */
	g = locks(3), a = g + 1, b = g + 2;
	nest(t, 3, (uint32_t[]){ g, a, b }, (uint32_t[]){ R, W, W });
	nest(u, 3, (uint32_t[]){ g, b, a }, (uint32_t[]){ R, W, W });
	assert_int_equal(fresh(), 1);
	/* Read by one, written by the other: a gate. */
	g = locks(3), a = g + 1, b = g + 2;
	nest(t, 3, (uint32_t[]){ g, a, b }, (uint32_t[]){ R, W, W });
	nest(u, 3, (uint32_t[]){ g, b, a }, NULL);
	assert_int_equal(fresh(), 0);
	/* A gate taken by trylock holds as well. */
	g = locks(3), a = g + 1, b = g + 2;
	nest(t, 3, (uint32_t[]){ g, a, b }, (uint32_t[]){ TRY, W, W });
	nest(u, 3, (uint32_t[]){ g, b, a }, (uint32_t[]){ TRY, W, W });
	assert_int_equal(fresh(), 0);
	/* Taken in between is no gate for the one that took it after. */
	g = locks(3), a = g + 1, b = g + 2;
	NEST(t, a, g, b);
	NEST(u, g, b, a);
	assert_int_equal(fresh(), 1); /* a and g: t has a and wants g, u has g and wants a */
	end(t), end(u), end(v), end(main);
}

/* Three threads, each pair of them behind a gate of its own, but no gate for all three: still no two of them meet. */
static void test_pairwise_gates(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t = born(main), *u = born(main), *v = born(main);
	uint32_t g = locks(6), h = g + 1, i = g + 2, a = g + 3, b = g + 4, c = g + 5;
	NEST(t, g, h, a, b);
	NEST(u, g, i, b, c);
	NEST(v, h, i, c, a);
	assert_int_equal(fresh(), 0);
	struct thread *w = born(main);
	NEST(w, c, a);
	assert_int_equal(fresh(), 0); /* t and u still */
	NEST(w, a, b);
	assert_int_equal(fresh(), 0); /* w alone has two of it; u and v still */
	NEST(t, c, a);
	assert_int_equal(fresh(), 1); /* w: a, b; u: b, c; t: c, a */
	assert_int_equal(last_nr, 3);
	end(t), end(u), end(v), end(w), end(main);
}

static void test_modes(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t = born(main), *u = born(main);
	uint32_t a = locks(2), b = a + 1;
	nest(t, 2, (uint32_t[]){ a, b }, (uint32_t[]){ R, R });
	nest(u, 2, (uint32_t[]){ b, a }, (uint32_t[]){ R, R });
	assert_int_equal(fresh(), 0);
	/* One link of it reads: as good as none. */
	a = locks(2), b = a + 1;
	nest(t, 2, (uint32_t[]){ a, b }, (uint32_t[]){ R, W });
	nest(u, 2, (uint32_t[]){ b, a }, (uint32_t[]){ W, R });
	assert_int_equal(fresh(), 0);
	/* Held for reading, wanted for writing, on both sides. */
	a = locks(2), b = a + 1;
	nest(t, 2, (uint32_t[]){ a, b }, (uint32_t[]){ R, W });
	nest(u, 2, (uint32_t[]){ b, a }, (uint32_t[]){ R, W });
	assert_int_equal(fresh(), 1);
	/* Held for writing, wanted for reading. */
	a = locks(2), b = a + 1;
	nest(t, 2, (uint32_t[]){ a, b }, (uint32_t[]){ W, R });
	nest(u, 2, (uint32_t[]){ b, a }, (uint32_t[]){ W, R });
	assert_int_equal(fresh(), 1);
	/* The same two locks again in other modes is another finding. */
	nest(t, 2, (uint32_t[]){ a, b }, (uint32_t[]){ W, W });
	assert_int_equal(fresh(), 1);
	end(t), end(u), end(main);
}

static uint32_t preferring;
static bool prefers(uint32_t lock)
{
	return lock == preferring;
}

static void test_writer_preference(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t = born(main), *u = born(main), *v = born(main);
	uint32_t r = preferring = locks(2), m = r + 1;
	order_on_question(prefers);
	nest(t, 2, (uint32_t[]){ r, m }, (uint32_t[]){ R, W });
	nest(u, 2, (uint32_t[]){ m, r }, (uint32_t[]){ W, R });
	assert_int_equal(fresh(), 0); /* nobody ever writes it */
	nest(u, 1, (uint32_t[]){ r }, (uint32_t[]){ W });
	assert_int_equal(fresh(), 0); /* the writer is in the ring himself */
	nest(main, 1, (uint32_t[]){ r }, (uint32_t[]){ W | TRY });
	assert_int_equal(fresh(), 0); /* does not wait */
	nest(v, 1, (uint32_t[]){ r }, (uint32_t[]){ W });
	assert_int_equal(fresh(), 1); /* nobody new has nested anything */
	assert_int_equal(last_nr, 2);

	/* Written before the threads were, and never again. */
	r = preferring = locks(2), m = r + 1;
	nest(main, 1, (uint32_t[]){ r }, (uint32_t[]){ W });
	struct thread *x = born(main), *y = born(main);
	nest(x, 2, (uint32_t[]){ r, m }, (uint32_t[]){ R, W });
	nest(y, 2, (uint32_t[]){ m, r }, (uint32_t[]){ W, R });
	assert_int_equal(fresh(), 0);
	nest(main, 2, (uint32_t[]){ m + 1000, r }, (uint32_t[]){ W, W });
	assert_int_equal(fresh(), 1);
	nr_lock += 1000;
	order_on_question(NULL);
	end(t), end(u), end(v), end(x), end(y), end(main);
}

static void test_try_and_timed(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t = born(main), *u = born(main);
	uint32_t a = locks(2), b = a + 1;
	nest(t, 2, (uint32_t[]){ a, b }, (uint32_t[]){ W, TRY });
	nest(u, 2, (uint32_t[]){ b, a }, (uint32_t[]){ W, TRY });
	nest(u, 2, (uint32_t[]){ b, a }, NULL);
	assert_int_equal(fresh(), 0);
	/* Back-off both ways round: block on one, try the other. */
	a = locks(2), b = a + 1;
	for (int i = 0; i < 2; i++) {
		nest(t, 2, (uint32_t[]){ a, b }, (uint32_t[]){ W, TRY });
		nest(t, 2, (uint32_t[]){ b, a }, (uint32_t[]){ W, TRY });
		nest(u, 2, (uint32_t[]){ b, a }, (uint32_t[]){ W, TRY });
		nest(u, 2, (uint32_t[]){ a, b }, (uint32_t[]){ W, TRY });
	}
	assert_int_equal(fresh(), 0);
	/* Held is held, however it was taken. */
	a = locks(2), b = a + 1;
	nest(t, 2, (uint32_t[]){ a, b }, (uint32_t[]){ TRY, W });
	nest(u, 2, (uint32_t[]){ b, a }, (uint32_t[]){ TRY, W });
	assert_int_equal(fresh(), 1);
	assert_false(last_timed);
	/* Below a tried lock. */
	a = locks(12), b = a + 1;
	take(t, a, W);
	for (uint32_t i = 2; i < 12; i++)
		take(t, a + i, TRY);
	take(t, b, W);
	drop_all(t);
	NEST(u, b, a);
	assert_int_equal(fresh(), 1);
	a = locks(2), b = a + 1;
	nest(t, 2, (uint32_t[]){ a, b }, (uint32_t[]){ W, TIMED });
	nest(u, 2, (uint32_t[]){ b, a }, NULL);
	assert_int_equal(fresh(), 1);
	assert_true(last_timed);
	end(t), end(u), end(main);
}

/* ---- create and join ---- */

static void test_before_and_after(void **state)
{
	(void)state;
	struct thread *main = born(NULL);
	uint32_t a = locks(2), b = a + 1;
	NEST(main, a, b);
	struct thread *t = born(main);
	NEST(t, b, a);
	assert_int_equal(fresh(), 0); /* initialisation */
	NEST(main, a, b);
	assert_int_equal(fresh(), 1); /* the same again beside the thread: its first time in this segment */
	join(main, t);
	a = locks(2), b = a + 1;
	t = born(main);
	NEST(t, a, b);
	join(main, t);
	NEST(main, b, a);
	struct thread *u = born(main);
	NEST(u, b, a);
	assert_int_equal(fresh(), 0); /* clean-up, and a thread after a thread */
	struct thread *v = born(u);
	NEST(v, a, b);
	assert_int_equal(fresh(), 0); /* u was before v when it did */
	NEST(u, b, a);
	assert_int_equal(fresh(), 1);
	end(v), end(u), end(main);
}

/* The occurrence before a join is not superseded by one after it: another thread was met before it. */
static void test_both_sides_of_a_join(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t = born(main), *u = born(t), *v = born(main);
	uint32_t a = locks(3), b = a + 1, c = a + 2;
	NEST(t, a, b);
	NEST(u, b, c);
	join(t, u);
	NEST(t, a, b);
	NEST(v, c, a);
	assert_int_equal(fresh(), 1);
	assert_int_equal(last_nr, 3);
	end(t), end(v), end(main);
}

static void test_fork(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t = born(main);
	uint32_t a = locks(2), b = a + 1;
	NEST(t, a, b);
	/* In the child t does not exist. */
	segment_fork_child();
	order_fork_child();
	segment_forked(main->id, ++main->seg);
	NEST(main, b, a);
	struct thread *u = born(main);
	NEST(u, b, a);
	assert_int_equal(fresh(), 0);
	struct thread *v = born(main);
	NEST(v, a, b);
	assert_int_equal(fresh(), 1);
	end(t), end(u), end(v), end(main);
}

/* ---- many threads ---- */

static void test_many_threads(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *old = born(main);
	uint32_t a = locks(2), b = a + 1;
	NEST(old, a, b);
	struct order_stats before, after;
	order_stats(&before);
	for (int i = 0; i < 10000; i++) {
		struct thread *t = born(main);
		NEST(t, a, b);
		join(main, t);
	}
	order_stats(&after);
	assert_int_equal(fresh(), 0);
	assert_true(after.merged - before.merged >= 9900);
	assert_true(after.deps - before.deps <= 32);
	/* The one that still lives is still known. */
	NEST(main, b, a);
	assert_int_equal(fresh(), 1);
	end(old), end(main);
}

/* ---- order of release ---- */

static void test_out_of_order(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t = born(main), *u = born(main);
	uint32_t a = locks(3), b = a + 1, c = a + 2;
	/* Hand over hand: a, b, free a, c: never a with c. */
	take(t, a, W);
	take(t, b, W);
	drop(t, a);
	take(t, c, W);
	drop(t, b);
	drop(t, c);
	NEST(u, c, a);
	assert_int_equal(fresh(), 0);
	NEST(u, c, b);
	assert_int_equal(fresh(), 1);
	/* What is left after a release in the middle still holds. */
	a = locks(4), b = a + 1, c = a + 2;
	take(t, a, W);
	take(t, b, W);
	take(t, c, W);
	drop(t, b);
	take(t, a + 3, W);
	drop_all(t);
	NEST(u, a + 3, b);
	assert_int_equal(fresh(), 0);
	NEST(u, a + 3, a);
	assert_int_equal(fresh(), 1);
	/* The same holds give the same chain, however come by. */
	take(t, a, W);
	take(t, c, W);
	uint32_t chain = t->chain;
	drop_all(t);
	take(t, a, W);
	take(t, b, W);
	take(t, c, W);
	drop(t, b);
	assert_int_equal(t->chain, chain);
	/* A lock that is in it already adds nothing. */
	assert_int_equal(order_next_slow(&t->cache, t->id, t->seg, t->chain, t->held, t->nr, a, W, 1), chain);
	struct order_hold twice[3] = { t->held[0], t->held[1], t->held[0] };
	assert_int_equal(order_rebuild(twice, 3), chain);
	drop_all(t);
	assert_int_equal(fresh(), 0);
	end(t), end(u), end(main);
}

/* ---- many locks ---- */

static void ladder(unsigned nr, uint32_t key)
{
	struct thread *main = born(NULL), *t = born(main), *u = born(main), *v = born(main);
	uint32_t l = locks(nr);
	for (unsigned i = 0; i < nr; i++)
		take(t, l + i, i ? key : W);
	uint32_t top = t->chain;
	drop_all(t);
	for (unsigned i = 0; i < nr; i++)
		take(v, l + i, i ? key : W);
	assert_int_equal(v->chain, top);
	drop_all(v);
	assert_int_equal(fresh(), 0);
	uint32_t last = locks(1);
	for (unsigned i = 0; i < nr; i++)
		take(t, l + i, i ? key : W);
	take(t, last, W);
	drop_all(t);
	NEST(u, last, l);
	assert_int_equal(fresh(), 1);
	NEST(u, last, l + nr / 2);
	assert_int_equal(fresh(), 1);
	assert_int_equal(last_nr, 2);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(last_hold[i], stack_of(last_lock[i] == last ? u : t, last_lock[i]));
	/* The other way down: each wish closes with the one before it; with any other, the two hold a lock in common.
	 */
	struct thread *w = born(main);
	uint32_t m = locks(nr);
	for (unsigned i = 0; i < nr; i++)
		take(t, m + i, W);
	drop_all(t);
	for (unsigned i = 0; i < 60; i++)
		take(w, m + nr - 1 - i, W);
	drop_all(w);
	assert_int_equal(fresh(), 59);
	end(t), end(u), end(v), end(w), end(main);
}

static void test_65_held(void **state)
{
	(void)state;
	ladder(65, W);
	ladder(65, TRY);
}

static void test_1000_held(void **state)
{
	(void)state;
	ladder(1000, W);
	ladder(1000, TRY);
}

static void *small_stack(void *arg)
{
	(void)arg;
	ladder(5000, W);
	return NULL;
}

static void test_5000_held(void **state)
{
	(void)state;
	pthread_attr_t attr;
	pthread_t th;
	pthread_attr_init(&attr);
	/* cmocka's own calls need something too. */
	assert_int_equal(pthread_attr_setstacksize(&attr, 32768), 0);
	assert_int_equal(pthread_create(&th, &attr, small_stack, NULL), 0);
	pthread_join(th, NULL);
	pthread_attr_destroy(&attr);
}

/* ---- locks that go ---- */

static void test_dead_lock_is_another(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t = born(main), *u = born(main);
	uint32_t a = locks(3), b = a + 1, b2 = a + 2;
	NEST(t, a, b);
	order_forget(b);
	NEST(u, b2, a);
	assert_int_equal(fresh(), 0);
	NEST(t, a, b2);
	assert_int_equal(fresh(), 1);
	end(t), end(u), end(main);
}

/* The order between the locks around it outlives it. */
static void test_order_survives(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t = born(main), *u = born(main);
	uint32_t a = locks(4), v = a + 1, b = a + 2, c = a + 3;
	take(t, a, W);
	take(t, v, W);
	take(t, b, W);
	take(t, c, W);
	drop_all(t);
	order_forget(v);
	topo_check();
	NEST(u, b, a);
	assert_int_equal(fresh(), 1);
	for (unsigned i = 0; i < 2; i++) {
		const struct thread *h = last_thread[i] == t->id ? u : t;
		assert_int_equal(last_hold[i], stack_of(h, last_lock[i]));
	}
	NEST(u, c, a);
	assert_int_equal(fresh(), 1);
	/* Two that become one. */
	uint32_t x = locks(2), y = x + 1;
	a = locks(3), b = a + 1, c = a + 2;
	NEST(t, a, x, b, c);
	NEST(t, a, y, b, c);
	NEST(u, a, y, b);
	struct order_stats before, after;
	order_stats(&before);
	order_forget(x);
	order_forget(y);
	order_stats(&after);
	/* a-x-b-c, a-y-b-c, u's a-y-b: 7 dependencies become a-b (t, u), a-b-c. */
	assert_int_equal(before.deps - after.deps, 8 - 3);
	NEST(u, c, b);
	assert_int_equal(fresh(), 1);
	end(t), end(u), end(main);
}

/* A thread may hold what is forgotten; its chain must not lead anywhere strange. */
static void test_forget_held(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t = born(main), *u = born(main);
	uint32_t a = locks(4), b = a + 1, c = a + 2, d = a + 3;
	take(t, a, W);
	take(t, b, W);
	order_forget(b);
	take(t, c, W);
	assert_int_not_equal(t->chain, 0);
	order_forget(a);
	take(t, d, W);
	assert_int_not_equal(t->chain, 0);
	drop_all(t);
	NEST(u, d, c);
	assert_int_equal(fresh(), 1);
	assert_int_equal(order_next_slow(&t->cache, t->id, t->seg, 0x7fffffff, NULL, 0, c, W, 1),
			 order_rebuild((struct order_hold[]){ { c, 1, W } }, 1));
	end(t), end(u), end(main);
}

static void test_short_lived(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t = born(main), *u = born(main);
	uint32_t g = locks(3), in = g + 1, out = g + 2;
	size_t bytes = 0;
	struct order_stats s0, s;
	order_stats(&s0);
	for (int i = 0; i < 300000; i++) {
		uint32_t m = locks(1), k = locks(1);
		NEST(i % 2 ? t : u, g, m, in);
		NEST(i % 2 ? u : t, m, k);
		NEST(i % 2 ? u : t, k, m, in);
		nest(t, 3, (uint32_t[]){ out, m, k }, (uint32_t[]){ W, TRY, W });
		order_forget(k);
		order_forget(m);
		if (i == 100000)
			bytes = arena_bytes();
	}
	assert_true(arena_bytes() - bytes < 2 << 20); /* directories of ids grow, nothing else */
	order_stats(&s);
	assert_true(s.chains - s0.chains < 64);
	assert_true(s.locks - s0.locks <= 3);
	assert_true(fresh() > 0);
	NEST(u, in, g);
	assert_int_equal(fresh(), 1); /* t's g-m-in */
	end(t), end(u), end(main);
}

/* ---- memory ---- */

static void test_no_memory(void **state)
{
	(void)state;
	if (fork() == 0) {
		struct thread *main = born(NULL), *t = born(main);
		arena_limit(arena_bytes() + (1 << 20));
		uint64_t nr = 0;
		for (int i = 0; i < 300000; i++) {
			uint32_t a = locks(2);
			NEST(i % 2 ? t : main, a, a + 1);
			NEST(i % 2 ? main : t, a + 1, a, a - 1);
			nr += fresh();
			if (i % 3 == 0)
				order_forget(a);
		}
		struct order_stats s;
		order_stats(&s);
		topo_check();
		_exit(s.dropped > 0 && nr > 0 && nr < 300000 ? 0 : 1);
	}
	int status = -1;
	extern int wait(int *);
	wait(&status);
	assert_int_equal(status, 0);
}

static void test_cache_grows_and_goes(void **state)
{
	(void)state;
	struct thread *t = born(NULL);
	uint32_t l = locks(5001);
	assert_int_equal(t->cache.mask, 255);
	for (int round = 0; round < 30; round++)
		for (uint32_t i = 0; i < 5000; i++)
			NEST(t, l, l + 1 + i);
	assert_true(t->cache.mask + 1 >= 8192 && t->cache.mask + 1 <= 65536);
	end(t);
	size_t bytes = arena_bytes();
	for (int i = 0; i < 10000; i++) {
		t = born(NULL);
		NEST(t, l, l + 1);
		end(t);
	}
	assert_true(arena_bytes() - bytes < 1 << 20);
}

/* ---- looking at it ---- */

struct seen {
	uint32_t from, nr, held;
	unsigned stop;
};

static bool see(const struct order_dep *d, void *arg)
{
	struct seen *s = arg;
	if (d->lock < s->from)
		return true;
	s->nr++;
	s->held += d->nr_held;
	for (unsigned i = 0; i < d->nr_held; i++) {
		assert_int_equal(d->held[i].lock, s->from + i);
		assert_int_equal(d->held[i].stack % 100000, (s->from + i) % 5000);
	}
	return s->nr != s->stop;
}

static void test_each(void **state)
{
	(void)state;
	struct thread *t = born(NULL), *u = born(t);
	struct order_stats before, after;
	order_stats(&before);
	uint32_t l = locks(100);
	for (uint32_t i = 0; i < 100; i++)
		take(t, l + i, W);
	for (uint32_t i = 0; i < 50; i++)
		take(u, l + i, W);
	order_stats(&after);
	assert_int_equal(after.deps - before.deps, 99 + 49);
	assert_int_equal(after.edges - before.edges, 99 * 100 / 2);
	assert_int_equal(after.locks - before.locks, 100);
	assert_int_equal(after.chains - before.chains, 100);
	struct seen s = { .from = l };
	order_each(see, &s);
	assert_int_equal(s.nr, 99 + 49);
	assert_int_equal(s.held, 99 * 100 / 2 + 49 * 50 / 2);
	s = (struct seen){ .from = l, .stop = 10 };
	order_each(see, &s);
	assert_int_equal(s.nr, 10);
	end(t), end(u);
}

/* ---- several at once ---- */

enum { HAMMER_LOCKS = 40, HAMMER_ROUNDS = 15000 };
static uint32_t hammer_locks;
static _Atomic unsigned hammer_cycles;
static void count(const struct order_cycle *c)
{
	hammer_cycles += c->nr == 2;
}

static void *hammer(void *arg)
{
	struct thread *t = arg;
	uint64_t rng = t->id * 0x9e3779b97f4a7c15u;
	for (int i = 0; i < HAMMER_ROUNDS; i++) {
		uint32_t l[3];
		rng = rng * 6364136223846793005u + 1442695040888963407u;
		for (unsigned k = 0; k < 3; k++)
			l[k] = hammer_locks + (uint32_t)(rng >> (20 + 12 * k)) % (HAMMER_LOCKS - k * 10);
		for (unsigned k = 0; k < 3; k++)
			if (k == 0 || (l[k] != l[0] && (k == 1 || l[k] != l[1])))
				take(t, l[k], (rng >> 60) == k ? TRY : W);
		assert_int_not_equal(t->chain, 0);
		if (i % 5 == 0)
			drop(t, l[0]);
		drop_all(t);
		if (i % 64 == 0) {
			/* Cold caches: the slow half is what is tested. */
			order_cache_stop(&t->cache);
			order_cache_start(&t->cache);
		}
		if (i % 100 == 0) {
			/* A lock of our own that comes and goes. */
			uint32_t own = 0x70000000u + t->id * HAMMER_ROUNDS + (uint32_t)i;
			NEST(t, hammer_locks, own, hammer_locks + 1);
			order_forget(own);
		}
	}
	return NULL;
}

static void test_hammer(void **state)
{
	(void)state;
	pthread_t th[4];
	struct thread *main = born(NULL), *t[4];
	hammer_locks = locks(HAMMER_LOCKS);
	order_on_cycle(count);
	for (unsigned i = 0; i < 4; i++)
		t[i] = born(main);
	for (unsigned i = 0; i < 4; i++)
		pthread_create(&th[i], NULL, hammer, t[i]);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(th[i], NULL);
	/* Every pair of the locks that all three places draw from was taken both ways round by all. */
	assert_in_range(hammer_cycles, 20 * 19 / 2, HAMMER_LOCKS * (HAMMER_LOCKS - 1) / 2);
	for (unsigned i = 0; i < 4; i++)
		end(t[i]);
	end(main);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_inversion),
		T(test_rings),
		T(test_shortest),
		T(test_same_thread),
		T(test_gate),
		T(test_pairwise_gates),
		T(test_modes),
		T(test_writer_preference),
		T(test_try_and_timed),
		T(test_before_and_after),
		T(test_both_sides_of_a_join),
		T(test_fork),
		T(test_many_threads),
		T(test_out_of_order),
		T(test_65_held),
		T(test_1000_held),
		T(test_5000_held),
		T(test_dead_lock_is_another),
		T(test_order_survives),
		T(test_forget_held),
		T(test_short_lived),
		T(test_no_memory),
		T(test_cache_grows_and_goes),
		T(test_each),
		T(test_hammer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
