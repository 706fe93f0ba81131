/*
 * spin.h - The runtime's own locks: ranked, futex-backed, invisible to the detector.
 *
 * A deadlock detector may not deadlock: a thread takes locks in rising rank only. A CHECK=1 build
 * verifies that on every lock. Taken with the gate shut only, so a signal handler of the program
 * that interrupts us never comes back for them.
 * cost: about 5 ns uncontended.
 */
#ifndef SNARL_BASE_SPIN_H
#define SNARL_BASE_SPIN_H

#include "base/compiler.h"

#include <stdatomic.h>

enum spin_rank {
	RANK_NONE,
	RANK_FORK,    /* serialises fork against reporting */
	RANK_SEMLOCK, /* detect/semlock: cycles kept back */
	RANK_THREADS, /* core/thread: list of threads */
	RANK_ORDER,   /* detect/order: graph, chains, contexts */
	RANK_SEGMENT, /* detect/segment: create/join events */
	RANK_LOCKS,   /* core/lock: registry */
	RANK_MODULE,  /* core/module: list of modules */
	RANK_RACE,    /* detect/clock, shadow, lockset: tables */
	RANK_BORROW,  /* core/borrow: the one call into libunwind */
	RANK_WATCH,   /* watch/engine: watched threads */
	RANK_PLANE,   /* watch/plane: planes to hand out */
	RANK_DEPOT,   /* core/depot: interned stacks */
	RANK_EMIT,    /* detect/emit: what has been written already */
	RANK_JOURNAL, /* core/journal: window changes */
	RANK_HEAP,    /* base/arena: arena_malloc */
	RANK_ARENA,   /* base/arena: chunks */
	NR_RANKS
};

struct spin {
	_Atomic uint32_t word; /* 0 free, 1 taken, 2 taken with sleepers */
	uint32_t rank;
};

#define SPIN_INIT(r) { 0, (r) }

void spin_lock(struct spin *s);
bool spin_trylock(struct spin *s);
void spin_unlock(struct spin *s);
/* Around fork: waits until no thread is inside any of these locks and keeps them out until the thaw, so that the child
 * finds nothing half done. */
void spin_freeze(void);
void spin_thaw(bool child);
/* Does the calling thread hold one of these locks (a signal handler of the program's may have interrupted it)? */
bool spin_inside(void);
/* Short locks of somebody's own making count as held in between, for the next function. budget: an increment. */
extern __thread struct spin_own {
	uint32_t nr;
	bool asked;
} spin_own __attribute__((tls_model("initial-exec")));
COLD void spin_left_slow(void);
HOT void spin_own_begin(void)
{
	spin_own.nr++;
	atomic_signal_fence(memory_order_seq_cst);
}
HOT void spin_own_end(void)
{
	atomic_signal_fence(memory_order_seq_cst);
	spin_own.nr--;
	if (unlikely(spin_own.asked))
		spin_left_slow();
}

/* From a signal handler: if it interrupted whoever holds one, f is called in that thread when it holds none any more. */
bool spin_tell_left(void (*f)(void));
/* Forked child: the lock is free, whoever held it is gone. */
void spin_reset(struct spin *s);

#endif
