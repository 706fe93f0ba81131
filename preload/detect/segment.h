/*
 * segment.h - Order by create and join alone: can two moments of two threads overlap?
 *
 * A thread's life is cut into segments: its number rises by one after each thread it creates and each it joins.
 * Thread ids are small, dense, never reused; 0 is none.
 */
#ifndef SNARL_DETECT_SEGMENT_H
#define SNARL_DETECT_SEGMENT_H

#include "base/compiler.h"

/* `parent`, while in segment seg, creates `child`; parent's segment is seg + 1 afterwards (the caller counts). */
void segment_born(uint32_t child, uint32_t parent, uint32_t seg);
/* `joiner` has joined `child` and is in segment `seg` from now on. */
void segment_joined(uint32_t child, uint32_t joiner, uint32_t seg);

/* True when one of the two is ordered before the other by create/join: they cannot overlap. A thread is ordered with itself.
 * cost: a search over births and joins; slow paths only. locks: RANK_SEGMENT. */
bool segment_ordered(uint32_t thread_a, uint32_t seg_a, uint32_t thread_b, uint32_t seg_b);

/* Has somebody joined it? */
bool segment_is_joined(uint32_t thread);
/* Has it joined somebody after that segment of its own? (If not, whatever is ordered before its present moment was before that
 * one already.) */
bool segment_joins_since(uint32_t thread, uint32_t seg);

/* In a forked child, after segment_fork_child: `thread` is all that is left and in segment `seg` (one more than before the fork)
 * from now on. Nothing of before can meet anything of after: the other threads are not in this process. */
void segment_forked(uint32_t thread, uint32_t seg);

/* Births and joins lost for want of memory: what they ordered counts as overlapping. */
uint64_t segment_dropped(void);

void segment_fork_child(void);

#endif
