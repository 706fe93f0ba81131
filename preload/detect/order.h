/*
 * order.h - The lock-order graph: dependencies, and the cycles among them that can deadlock.
 *
 * A chain is the sequence of locks a thread holds, interned: chain 0 holds nothing, and (chain, lock, mode, how) names the
 * chain that holds one more. So a chain is also a dependency ("its last lock was wanted while the others were held"), and what
 * a thread needs on its hot path is one number. Locks, threads and stacks are ids here; nothing of pthreads is known.
 *
 * A cycle is reported if its dependencies come from different threads, can overlap (segment.h), can all block, hold no
 * lock in common in modes that exclude each other (gate lock), and each wanted mode conflicts with the mode it is held in.
 * Cycles of any length; found when their last dependency is added.
 *
 * models: lockdep's chain hash (validate a sequence once), abseil's GraphCycles (incremental topological order), Goodlock and
 * UnDead (lock dependencies with held sets).
 */
#ifndef SNARL_DETECT_ORDER_H
#define SNARL_DETECT_ORDER_H

#include "base/compiler.h"
#include "detect/order_cache.h"

enum order_mode { ORDER_WRITE = 0, ORDER_READ = 1 };
enum order_how {
	ORDER_BLOCK = 0, /* may wait for ever */
	ORDER_TIMED = 2, /* gives up: a cycle through it is advice */
	ORDER_TRY = 4,   /* never waits: no dependency, but held afterwards */
};
/* A key is mode | how: 0..5. */

struct order_hold {
	uint32_t lock;  /* id */
	uint32_t stack; /* depot id of the acquisition */
	uint32_t key;   /* mode | how */
};

/*
 * Cold half: finds or makes the chain, records the dependency (thread, segment, stacks) when `held` is not empty and key
 * is not ORDER_TRY, looks for cycles it closes and hands each to the report function; remembers in the cache.
 * held: everything in `chain`, in order of acquisition, with its stacks. want_stack: where `lock` is wanted.
 * Returns the chain, or 0 when out of memory (counted; the thread goes on with chain 0 and is not checked).
 * cost: under 150 ns amortised for a new dependency that closes no cycle. locks: RANK_ORDER, RANK_SEGMENT.
 */
COLD uint32_t order_next_slow(struct order_cache *c, uint32_t thread, uint32_t seg, uint32_t chain,
			      const struct order_hold *held, unsigned nr_held, uint32_t lock, uint32_t key,
			      uint32_t want_stack);

/* The chain of these holds without recording any dependency (a lock was released out of order). cost: a lookup per hold. */
/* The same where the first `from` of them are known to be `chain` (ORDER_LATER, asked for). each[i] gets the chain that ends
 * in held[i], for i from `from` on; may be NULL. */
COLD uint32_t order_resume(struct order_cache *c, uint32_t seg, const struct order_hold *held, unsigned nr_held, unsigned from,
			   uint32_t chain, uint32_t *each);
COLD uint32_t order_rebuild(const struct order_hold *held, unsigned nr_held);

struct order_dep {
	uint32_t thread, seg;
	uint32_t lock, key; /* wanted */
	uint32_t stack;
	unsigned nr_held;
	const struct order_hold *held;
};

struct order_cycle {
	unsigned nr; /* dep[i] wants a lock that dep[i + 1] holds; the last one's is held by dep[0] */
	const struct order_dep *dep;
	bool timed; /* one of them gives up */
};

/* Called for every new cycle, once per set of locks and wanting chains, holding no lock. */
void order_on_cycle(void (*report)(const struct order_cycle *));

/* Called for every new dependency (a lock wanted while others are held, by this thread in this segment), holding no lock. */
void order_on_dependency(void (*tell)(const struct order_dep *));

/* Answers whether two readers of this lock exclude each other while a writer waits (writer preference). May be NULL. */
void order_on_question(bool (*reader_blocks_reader)(uint32_t lock));

/* The lock is gone (destroyed, freed): its id will not be seen again; what was kept for it may be recycled. */
void order_forget(uint32_t lock);
/* Many that are gone together, {0} at first: add each, then let them go. Whatever was locked on top of others goes before them, so
 * that n locks of one chain cost n steps. */
struct order_gone {
	uint32_t few[16], *more, nr, room;
};
void order_gone_add(struct order_gone *g, uint32_t lock);
void order_gone(struct order_gone *g);

/* Every recorded dependency, oldest first; stops when f returns false. locks: RANK_ORDER during the calls. */
void order_each(bool (*f)(const struct order_dep *, void *), void *arg);

struct order_stats {
	uint64_t locks;   /* nodes */
	uint64_t edges;   /* distinct (held, wanted) pairs */
	uint64_t deps;    /* recorded dependencies */
	uint64_t chains;
	uint64_t cycles;  /* reported */
	uint64_t dropped; /* for want of memory */
	uint64_t cut;     /* searches given up at their budget */
	uint64_t let_go;  /* chains, of more than 2 million, that no cycle could go through at the time */
	uint64_t limited; /* edges of the plain graph not added, of more than 33 million: cycles through them are missed */
	uint64_t merged;  /* occurrences that made room for newer ones, of more than 32 of one dependency */
};
void order_stats(struct order_stats *out);

void order_fork_child(void);

#endif
