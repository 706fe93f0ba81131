/*
 * cycle_found.h - What the search has found: which sets of locks are known, and the copies that go out.
 *
 * Once per set of locks and modes: the same ring from other threads or other places in the code is the same mistake.
 * A longer ring that contains both locks of a known ring of two is that mistake with company, and not told.
 *
 * For cycle.c only.
 */
#ifndef SNARL_DETECT_CYCLE_FOUND_H
#define SNARL_DETECT_CYCLE_FOUND_H

#include "detect/chain.h"
#include "detect/cycle.h"

enum { CYCLE_MAX = 1024 }; /* longest ring; a longer one is counted as cut */

/* One dependency of the ring: it holds, through the chain `hold`, what the one before it wants. */
struct cycle_pick {
	uint32_t node, ctx, hold;
};
extern struct cycle_pick cycle_pick[CYCLE_MAX];

/* Is there a ring of these two already? */
bool cycle_pair_known(uint32_t a, uint32_t b);
/* The first nr picks are a ring: writes it down if it is news. False: it is none, for want of a writer among readers.
 */
bool cycle_emit(unsigned nr);

#endif
