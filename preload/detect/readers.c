/*
 * readers.c - Granules that more threads read than a granule has room for: their reads are kept here, by the readers' slots.
 *
 * The granule keeps a record of slot 0 that says where (RECORD_WRITE set, to tell it from a synchronisation location) and which
 * bytes. A thread finds its own place again without a lock (readers_again), as each finds its own record in the granule else.
 * Bounded: when all are taken, those whose granule has been wiped or written meanwhile are used again; if there are none, reads
 * are given up, as they would be without all this. Only reads that were made are ever found here.
 */
#include "detect/race_inside.h"

#include "base/sys.h"

#include <sys/mman.h>

#define LOOK 64u /* of those taken, at once, for one that is used no more */

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

struct readers *readers_pool;
struct granule *_Atomic *readers_of;
_Atomic bool readers_full = true;
static _Atomic uint32_t used, hand, lock;

static bool map(void *at, size_t bytes)
{
	char *p = sys_map_sparse(bytes);
	if (p && sys3(SYS_madvise, p, bytes, MADV_WIPEONFORK) != 0) {
		sys_unmap(p, bytes);
		p = NULL;
	}
	*(char **)at = p;
	return p != NULL;
}

bool readers_start(void)
{
	if (!readers_pool && (!map(&readers_of, READERS_MAX * sizeof *readers_of) || !map(&readers_pool, READERS_MAX * sizeof *readers_pool)))
		return false;
	readers_full = false;
	return true;
}

void readers_fork_child(void)
{
	used = hand = lock = 0;
	readers_full = readers_pool == NULL;
}

static bool referred_to(uint32_t at)
{
	struct granule *g = atomic_load(&readers_of[at]);
	for (unsigned i = 0; g && i < GRANULE_RECORDS; i++) {
		uint64_t r = atomic_load_explicit(&g->record[i], memory_order_relaxed);
		if (is_many(r) && r >> 32 == at)
			return true;
	}
	return false;
}

/* A place for this granule's readers, empty. 0: none. */
static uint32_t find_place(struct granule *g)
{
	uint32_t at = 0;
	if (atomic_load_explicit(&readers_full, memory_order_relaxed) || atomic_exchange_explicit(&lock, 1, memory_order_acquire))
		return 0;
	if (used + 1 < READERS_MAX) {
		at = ++used;
	} else {
		for (unsigned n = 0; n < LOOK && !at; n++) {
			uint32_t i = 1 + hand++ % (READERS_MAX - 1);
			at = referred_to(i) ? 0 : i;
		}
		for (unsigned k = 0; at && k < READERS; k++)
			atomic_store_explicit(&readers_pool[at].record[k], 0, memory_order_relaxed);
	}
	if (at)
		atomic_store(&readers_of[at], g);
	else
		atomic_store(&readers_full, true);
	atomic_store_explicit(&lock, 0, memory_order_release);
	return at;
}

/* Its own place; one that is free or that says less; else somebody else is given up. */
static void add(struct readers *m, uint64_t record, uint32_t context)
{
	unsigned first = slot_of(record) % READERS, second = (first + READERS / 2) % READERS, put = READERS;
	const unsigned ways[] = { first, second };
	for (unsigned w = 0; w < ARRAY_SIZE(ways) && put == READERS; w++) {
		uint64_t r = atomic_load_explicit(&m->record[ways[w]], memory_order_relaxed);
		if (!r || (slot_of(r) == slot_of(record) && !(r & RECORD_MASK & ~record)))
			put = ways[w];
	}
	if (put == READERS)
		put = (record >> 32) & 1 ? first : second;
	atomic_store_explicit(&m->context[put], context, memory_order_relaxed);
	atomic_store_explicit(&m->record[put], record, memory_order_relaxed);
}

bool readers_beside(struct granule *g, const uint64_t *r, unsigned many, uint64_t mine, uint32_t context, bool write)
{
	uint64_t contexts = atomic_load_explicit(&g->contexts, memory_order_relaxed), mask = mine & RECORD_MASK;
	unsigned reads = 0;
	if (many < GRANULE_RECORDS) {
		uint32_t at = (uint32_t)(r[many] >> 32);
		bool there = at && at < READERS_MAX && atomic_load(&readers_of[at]) == g;
		if (write && there)
			return false;
		if (there)
			add(&readers_pool[at], mine, context);
		return granule_swap(g, many, r[many], there ? r[many] | mask : 0) && there && !write;
	}
	for (unsigned i = 0; i < GRANULE_RECORDS; i++) {
		if (!r[i])
			return false; /* there is room */
		if (!slot_of(r[i]) || r[i] & RECORD_WRITE)
			continue;
		if (write && r[i] & mask)
			return false; /* there will be */
		reads++;
	}
	uint32_t at = reads > write ? find_place(g) : 0;
	if (!at)
		return false;
	for (unsigned i = 0; i < GRANULE_RECORDS; i++)
		if (slot_of(r[i]) && !(r[i] & RECORD_WRITE)) {
			add(&readers_pool[at], r[i], context_of(r[i], contexts, i));
			mask |= r[i] & RECORD_MASK;
			many = i;
		}
	if (!write)
		add(&readers_pool[at], mine, context);
	else
		mask &= ~(mine & RECORD_MASK);
	/* They are found there from now on, or here if one of them has changed meanwhile. */
	if (!granule_swap(g, many, r[many], (uint64_t)at << 32 | mask | RECORD_WRITE))
		return false;
	for (unsigned i = 0; i < GRANULE_RECORDS; i++)
		if (i != many && slot_of(r[i]) && !(r[i] & RECORD_WRITE))
			granule_swap(g, i, r[i], 0);
	return !write;
}

unsigned readers_take(struct granule *g, uint64_t many, uint64_t mask, bool forget, uint64_t *record, uint32_t *context)
{
	uint32_t at = (uint32_t)(many >> 32);
	unsigned n = 0;
	if (!at || at >= READERS_MAX || atomic_load(&readers_of[at]) != g)
		return 0;
	struct readers *m = &readers_pool[at];
	mask &= many & RECORD_MASK; /* others may have been wiped */
	for (unsigned i = 0; i < READERS; i++) {
		uint64_t r = atomic_load_explicit(&m->record[i], memory_order_relaxed);
		if (!(r & mask))
			continue;
		record[n] = (r & ~RECORD_MASK) | (r & mask);
		context[n++] = atomic_load_explicit(&m->context[i], memory_order_relaxed);
		if (forget)
			atomic_store_explicit(&m->record[i], r & RECORD_MASK & ~mask ? r & ~mask : 0, memory_order_relaxed);
	}
	if (!(many & RECORD_MASK & ~mask))
		atomic_store_explicit(&readers_full, false, memory_order_relaxed); /* this one will be free */
	return n;
}
