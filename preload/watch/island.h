/*
 * island.h - Jumps from places too short for one: a jump of two bytes to a jump of five nearby.
 *
 * The five bytes are padding between functions or blocks, else bytes of a window that its own jump left over.
 */
#ifndef SNARL_WATCH_ISLAND_H
#define SNARL_WATCH_ISLAND_H

#include "watch/code.h"

struct islands {
	uint64_t *padding, *leftover; /* bit per byte of the code that is free */
	size_t bytes;                 /* of each */
};

int islands_open(struct islands *s, const struct code *c);
void islands_close(struct islands *s);

/* This place may be overwritten, as far as nothing jumps there. */
void islands_free(struct islands *s, const struct code *c, uint32_t lo, uint32_t hi, bool padding);
/* True for the no-operations that compilers and assemblers pad with. */
bool island_is_nop(const uint8_t *p, uint32_t left, uint32_t *len);

/* Gives every window of the kind PLAN_JMP2 its island, or makes it a PLAN_INT3. Leaves plan->windows ascending. 0 or
 * -1. */
int islands_settle(struct islands *s, struct plan *p);

#endif
