/*
 * guard.h - Which lock usually guards a place, counted; and writes to it without that lock (unguarded-write).
 *
 * A place is a granule of 8 bytes; the counts are of accesses that race.h's rule saw, so what is repeated between two
 * releases counts once. Writes of the only thread that has used the place so far are its initialisation and do not count,
 * and one that anything but the conflicts at this very place orders with what is done under the lock (a thread's
 * beginning, a queue's own data, ...) is no mistake.
 *
 * memory: 8 MiB at most; what has no room is not counted.
 */
#ifndef SNARL_DETECT_GUARD_H
#define SNARL_DETECT_GUARD_H

#include "detect/hybrid.h"

/* An earlier access of another thread, ordered with the present one. */
struct guard_side {
	uint32_t slot, clock, stack, set, mask;
	bool write;
	bool doubtful; /* known by the second clock through conflicts here alone, or not at all */
};

/* known: there is an entry already. True: there is one now. */
bool guard_seen(const struct hybrid_access *a, const struct guard_side *others, unsigned nr, bool known,
		const struct hybrid_thread *h);
void guard_forget(uintptr_t addr);
/* A race is being told there: an unguarded write there no more. */
void guard_told(uintptr_t addr);
void guard_fork_child(void);

/* The lock that was held in `held` of `all` accesses of the place, if that was usual. Any thread, any time. */
struct guard_usual {
	uint32_t lock, held, all;
};
bool guard_usual(uintptr_t addr, struct guard_usual *u);

/* Entries given up for others. */
uint64_t guard_lost(void);

#endif
