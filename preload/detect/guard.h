/*
 * guard.h - Which lock usually guards a place, counted; and writes to it without that lock (unguarded-write).
 *
 * A place is a granule of 8 bytes; what is counted are the accesses that race.h's rule saw from the first one under a lock on that finds another thread has been there,
 * so what is repeated between two releases counts once. A write that anything but the conflicts at this very place orders with
 * what is done under the lock (a thread's beginning, a queue's own data, ...) is no mistake.
 *
 * memory: 8 MiB at most; what has no room is not counted.
 */
#ifndef SNARL_DETECT_GUARD_H
#define SNARL_DETECT_GUARD_H

#include "detect/hybrid.h"

/* An earlier access of another thread that conflicts with the present one. */
struct guard_side {
	uint32_t slot, clock, stack, set, mask;
	bool write;
};

/* The lock that was held in `held` of `all` accesses of the place. */
struct guard_usual {
	uint32_t lock, held, all;
};

/* A write without it, and the newest one under it; usual: of writes alone. */
struct guard_report {
	struct race_side bad, good;
	struct guard_usual usual;
};
/* Who is told; into the journal if nobody says otherwise. Gate shut, none of our locks held. */
extern void (*guard_tell)(const struct guard_report *);

/* known: there is an entry already; shared: another thread has been there. True: there is one now. */
bool guard_seen(const struct hybrid_access *a, const struct guard_side *others, unsigned nr, bool known, bool shared,
		const struct hybrid_thread *h);
void guard_forget(uintptr_t addr);
/* A race is being told there: an unguarded write there no more. */
void guard_told(uintptr_t addr);
void guard_fork_child(void);

/* If there is a usual one. Any thread, any time. */
bool guard_usual(uintptr_t addr, struct guard_usual *u);

/* Entries given up for others. */
uint64_t guard_lost(void);

#endif
