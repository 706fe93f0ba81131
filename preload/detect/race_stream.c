/* race_stream.c - See race_stream.h. */
#include "detect/race_stream.h"

#define RECORD(i) atomic_load_explicit(&g->record[i], memory_order_relaxed)

void race_stream_copy(struct race_stream *s, struct race_thread *rt, struct granule *g, uint64_t *plane)
{
	uint64_t become[GRANULE_RECORDS], from = atomic_load_explicit(&g[-1].contexts, memory_order_relaxed), tags = plane[-1], part = 0;
	bool changed[GRANULE_RECORDS], writes = false, apart = false, written = false;
	for (unsigned i = 0; i < GRANULE_RECORDS; i++) {
		uint64_t was = s->was[i], r = atomic_load_explicit(&g[-1].record[i], memory_order_relaxed);
		r |= r ? RECORD_GUESS : 0;
		become[i] = r;
		changed[i] = r != was;
		part |= changed[i] ? CONTEXT_LOW << 21 * i : 0;
		writes |= changed[i] && r & RECORD_WRITE;
		/* In no order: the one may have been a guess, and others alike none. */
		if (unlikely(was && rt->vc[slot_of(was)] < was >> 32)) {
			apart = true;
			written |= (was & RECORD_WRITE) != 0;
		}
		/* By this thread, now; and nothing that is no access. */
		if ((changed[i] && r && (r ^ rt->epoch) >> 20) || (was && !slot_of(was)) || (r && !slot_of(r)))
			return;
	}
	if (!part || written || (apart && writes))
		return;
	unsigned n = (unsigned)(STREAM_PAGE - s->last % STREAM_PAGE) / 8 - 1, k = 0;
	if (n > s->length)
		n = s->length;
	/* Unrolled by hand: this is where such loops spend their time. */
	_Static_assert(GRANULE_RECORDS == 3, "the three below");
	const uint64_t was0 = s->was[0] | RECORD_GUESS, was1 = s->was[1] | RECORD_GUESS, was2 = s->was[2] | RECORD_GUESS;
	const bool changed0 = changed[0], changed1 = changed[1], changed2 = changed[2];
	uintptr_t last = s->last;
	for (from &= part; k < n; k++) {
		g++;
		plane++;
		race_busy(rt, last + 8);
		uint64_t differ = (RECORD(0) | RECORD_GUESS) ^ was0;
		differ |= (RECORD(1) | RECORD_GUESS) ^ was1;
		differ |= (RECORD(2) | RECORD_GUESS) ^ was2;
		if (unlikely(differ))
			break;
		uint64_t contexts = atomic_load_explicit(&g->contexts, memory_order_relaxed);
		atomic_store_explicit(&g->contexts, (contexts & ~part) | from, memory_order_relaxed);
		if (changed0)
			atomic_store_explicit(&g->record[0], become[0], memory_order_relaxed);
		if (changed1)
			atomic_store_explicit(&g->record[1], become[1], memory_order_relaxed);
		if (changed2)
			atomic_store_explicit(&g->record[2], become[2], memory_order_relaxed);
		*(volatile uint64_t *)plane = tags;
		last += 8;
	}
	s->last = last;
	race_settled(rt);
	s->length = k == n && s->length < STREAM_MAX ? 2 * s->length : s->length;
}
