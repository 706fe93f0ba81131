/*
 * cycle.h - The exact search: is there a deadlock that needs this new dependency?
 *
 * A cycle is a ring of dependencies D1 .. Dk where each wants a lock the next one holds, in modes that exclude each
 * other, and any two of them come from different threads, can overlap, and hold no lock in common in modes that exclude
 * each other. The locks of the ring are all different (else a shorter ring is in it).
 *
 * Length 2 is searched without limit. Longer ones under a budget that grows with every dependency recorded, so that a
 * program that adds few of them gets deep searches and one that adds millions does not stand still; a search cut short
 * is counted. First backwards from what the new dependency holds (which locks can lead there at all, in how many
 * steps), then forwards from what it wants, by rising length, along locks that can still make it.
 *
 * locks: RANK_ORDER, held by the caller; RANK_SEGMENT inside.
 */
#ifndef SNARL_DETECT_CYCLE_H
#define SNARL_DETECT_CYCLE_H

#include "detect/order.h"

struct cycle_found {
	struct cycle_found *next;
	struct order_cycle cycle;
};

extern uint64_t cycle_nr, cycle_cut;

/* Finds what this context of this dependency closes. */
void cycle_search(uint32_t node, uint32_t ctx);
/* Earns credit for later searches: one dependency more. */
void cycle_earn(void);
/* A writer that some readers' cycles waited for has shown up: searches from all who read the lock. */
void cycle_writer(uint32_t lock);
/* The cycles found since last time, in order, the caller's from now on (arena_free each); NULL: none. */
struct cycle_found *cycle_take(void);

#endif
