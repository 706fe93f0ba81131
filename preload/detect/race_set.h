/* race_set.h - Sets of locks held, as small numbers. */
#ifndef SNARL_DETECT_RACE_SET_H
#define SNARL_DETECT_RACE_SET_H

#include "core/thread.h"

#define RACE_SET_KEEP 32u /* locks of one set; the innermost */

struct race_held {
	uint32_t lock, stack, key; /* object id, where it was taken, order.h: mode | how */
};

struct race_set {
	uint32_t nr;
	struct race_held held[]; /* outermost first */
};

/* The set of an id; the empty one for 0. Valid for ever. */
const struct race_set *race_set_get(uint32_t set);
/* What t holds now. 0: nothing, or no memory. */
uint32_t race_set_now(const struct thread *t);
/* Accesses whose locks or stack could not be kept. */
uint64_t race_contexts_lost(void);

#endif
