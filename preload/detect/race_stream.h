/*
 * race_stream.h - Loops over memory that was looped over before: what was just done to one granule is done to those behind it.
 *
 * After each release all that a thread touches is to be recorded anew, which is dear where a loop does it step by step. When one
 * instruction comes to the granule behind the one it came to last, and the two were recorded alike before (by whom, when and how;
 * never: not recorded at all), then what has become of the first, records and tags, is copied to the second and on, as long as
 * those too were recorded alike. The rule need not be asked: it says the same of the same records.
 *
 * That the loop will get there is a guess, from what it did the last time. So such a record is marked (RECORD_GUESS), and a
 * conflict with it is never told. Such a conflict leaves the granule unlike its neighbours, so that the next time around the
 * loop's own access is looked at, and told: what is lost is a race with the last round of a loop, but for its granules where a
 * copy began, in bytes that no earlier round is in conflict about. A first round is always exact. Granules beyond a block are not
 * like those in it: what lies between blocks is touched by nobody.
 */
#ifndef SNARL_DETECT_RACE_STREAM_H
#define SNARL_DETECT_RACE_STREAM_H

#include "detect/race.h"

#define STREAMS     16u /* per thread, by instruction */
#define STREAM_MIN  4u  /* granules copied at once, at first and at most */
#define STREAM_MAX  64u
#define STREAM_PAGE 4096u /* never across: shadow and planes go in one piece at least so far */

struct race_stream {
	uintptr_t key, first, last; /* the instruction; granules it has come to, and what was copied to */
	uint64_t epoch, was[GRANULE_RECORDS]; /* the records of `last`, but for RECORD_GUESS, before it came there */
	uint32_t length; /* 0: `was` is not known */
};

/* An access of the granule at `at` is about to be recorded. True: call race_stream_copy when it has been, and by the fast half. */
HOT bool race_stream_step(struct race_stream *s, const struct race_thread *rt, uintptr_t key, uintptr_t at, const struct granule *g)
{
	bool on = s->key == key && s->epoch == rt->epoch;
	if (on && at - s->first <= s->last - s->first)
		return false;
	if (likely(!on || at != s->last + 8)) {
		s->key = key;
		s->epoch = rt->epoch;
		s->first = s->last = at;
		s->length = 0;
		return false;
	}
	uint64_t differ = 0, all = 0;
	for (unsigned i = 0; i < GRANULE_RECORDS; i++) {
		uint64_t r = atomic_load_explicit(&g->record[i], memory_order_relaxed);
		r |= r ? RECORD_GUESS : 0;
		differ |= r ^ s->was[i];
		s->was[i] = r;
		all |= r;
	}
	s->last = at;
	if (likely(s->length && !differ && all && at % STREAM_PAGE))
		return true;
	s->length = STREAM_MIN;
	return false;
}

/* g, plane: of the granule that race_stream_step was called for. General registers only. cost: 4 ns, and 3 ns a granule. */
void race_stream_copy(struct race_stream *s, struct race_thread *rt, struct granule *g, uint64_t *plane);

#endif
