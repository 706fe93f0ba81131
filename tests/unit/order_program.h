/*
 * order_program.h - Programs as the lock-order graph sees them, for its tests: threads that take and drop locks.
 *
 * Threads, locks and stacks are numbers. Every test takes new ones, for there is one graph.
 */
#ifndef SNARL_TESTS_ORDER_PROGRAM_H
#define SNARL_TESTS_ORDER_PROGRAM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "detect/chain.h"
#include "detect/order.h"
#include "detect/segment.h"
#include "detect/topo.h"

enum { W = ORDER_WRITE, R = ORDER_READ, TRY = ORDER_TRY, TIMED = ORDER_TIMED };

struct thread {
	uint32_t id, seg, chain, below; /* chain may be ORDER_LATER: the last lock held, on top of below */
	struct order_cache cache;
	struct order_hold *held;
	unsigned nr, room;
};

static uint32_t nr_thread = 1, nr_lock = 1;

/* What the last reports said. */
static unsigned nr_cycles, last_nr;
static bool last_timed;
static uint32_t last_lock[64], last_want[64], last_hold[64], last_thread[64];

static inline void report(const struct order_cycle *c)
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

static inline struct thread *born(struct thread *parent)
{
	struct thread *t = calloc(1, sizeof *t);
	t->id = nr_thread++;
	order_cache_start(&t->cache);
	if (parent)
		segment_born(t->id, parent->id, parent->seg++);
	return t;
}

static inline void end(struct thread *t)
{
	order_cache_stop(&t->cache);
	free(t->held);
	free(t);
}

static inline void join(struct thread *t, struct thread *child)
{
	segment_joined(child->id, t->id, ++t->seg);
	end(child);
}

/* Stacks are places in the code: not without number. */
static inline uint32_t stack_of(const struct thread *t, uint32_t lock)
{
	return t->id * 100000 + lock % 5000;
}

/* A chain that was left open is asked for when something is taken on top. */
static inline uint32_t chain_of(struct thread *t)
{
	if (t->chain == ORDER_LATER)
		t->chain = order_resume(&t->cache, t->seg, t->held, t->nr, t->nr - 1, t->below, NULL);
	return t->chain;
}

static inline void take(struct thread *t, uint32_t lock, uint32_t key)
{
	t->below = chain_of(t);
	uint32_t next = order_step(&t->cache, t->below, lock, key, t->seg);
	if (!next)
		next = order_next_slow(&t->cache, t->id, t->seg, t->below, t->held, t->nr, lock, key, stack_of(t, lock));
	t->chain = next;
	if (t->nr == t->room) {
		t->room = t->room ? 2 * t->room : 16;
		t->held = realloc(t->held, t->room * sizeof *t->held);
	}
	t->held[t->nr++] = (struct order_hold){ lock, stack_of(t, lock), key };
}

static inline void drop(struct thread *t, uint32_t lock)
{
	unsigned i = t->nr;
	while (t->held[i - 1].lock != lock)
		i--;
	memmove(&t->held[i - 1], &t->held[i], (t->nr - i) * sizeof *t->held);
	t->nr--;
	t->chain = order_rebuild(t->held, t->nr);
}

static inline void drop_all(struct thread *t)
{
	t->nr = t->chain = 0;
}

/* Takes these one in another and lets go of all. */
static inline void nest(struct thread *t, unsigned nr, const uint32_t *lock, const uint32_t *key)
{
	for (unsigned i = 0; i < nr; i++)
		take(t, lock[i], key ? key[i] : W);
	drop_all(t);
}
#define NEST(t, ...) nest(t, sizeof((uint32_t[]){ __VA_ARGS__ }) / 4, (uint32_t[]){ __VA_ARGS__ }, NULL)

static inline unsigned fresh(void)
{
	unsigned n = nr_cycles;
	nr_cycles = 0;
	return n;
}

static inline uint32_t locks(unsigned nr)
{
	uint32_t first = nr_lock;
	nr_lock += nr;
	return first;
}

static inline int setup(void **state)
{
	(void)state;
	order_on_cycle(report);
	order_on_question(NULL);
	nr_cycles = 0;
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	struct order_stats s;
	order_stats(&s);
	topo_check();
	return s.dropped != 0;
}

#define ORDER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
