/*
 * granule.h - What is known of eight bytes of the program: their last accesses, and where those are kept.
 *
 * race.h says what becomes of them.
 */
#ifndef SNARL_DETECT_GRANULE_H
#define SNARL_DETECT_GRANULE_H

#include "base/compiler.h"

#include <stdatomic.h>

#define GRANULE_RECORDS 3u

/*
 * record: clock 63..32 | slot 31..20 | bytes 19..12 | write 11 | guess 10 | check 9..5 | context 25..21 in 4..0; 0 none.
 * guess: nobody has seen the access (race_stream.h): a conflict with it is not told.
 * contexts: bits 20..0 of the context of record i at 21 * i. A context is a stack id, or with RACE_PAIR a pair of stack and locks.
 */
struct granule {
	_Atomic uint64_t record[GRANULE_RECORDS];
	_Atomic uint64_t contexts;
};
_Static_assert(sizeof(struct granule) == 32, "four times the program's memory, where it is touched");

#define RECORD_SLOT    0xfff00000ull
#define RECORD_MASK    0xff000ull
#define RECORD_SHIFT   12
#define RECORD_WRITE   0x800ull
#define RECORD_GUESS   0x400ull
#define RECORD_CONTEXT 0x3ffull
#define CONTEXT_LOW    0x1fffffull
#define RECORD_SYNC    (1ull << 32)
#define RECORD_LATENT  (2ull << 32)
#define RACE_PAIR      (1u << 25)
#define RACE_MAX_STACK (RACE_PAIR - 1)

#define REGION_BITS 26
#define REGION_DIR  (1ull << (47 - REGION_BITS))

extern char *_Atomic *shadow_dir;

HOT struct granule *shadow_granule(uintptr_t addr)
{
	if (unlikely(addr >> 47))
		return NULL;
	char *region = atomic_load_explicit(&shadow_dir[addr >> REGION_BITS], memory_order_relaxed);
	return likely(region != NULL) ? (struct granule *)(void *)(region + ((addr & ((1ul << REGION_BITS) - 1)) >> 3) * sizeof(struct granule))
				      : NULL;
}

/*
 * Beside each granule a byte says whether it can hold anything, so that whoever gives memory back or gets it looks at eight of
 * them at once and not at 256 bytes of shadow. What is given back together has one record for each line (64 bytes of the program)
 * that stands for all its granules there, which are empty until somebody asks (shadow_get spells it out); of these there are two:
 * GONE for the block that holds the line's first granule, GONE_TOO for the one that holds its last. A page's byte is 0 while it is
 * for sure that all its granules' are.
 */
enum granule_state { GRANULE_EMPTY = 0, GRANULE_USED = 1, GRANULE_GONE = 2, GRANULE_GONE_TOO = 4 };
#define LINE_BYTES   64u
#define SHADOW_BYTES (1ul << (REGION_BITS - 3) << 5) /* of granules in a region, which begins at a multiple of that */

HOT _Atomic uint8_t *state_of(const struct granule *g)
{
	uintptr_t at = (uintptr_t)g, base = at & ~(SHADOW_BYTES - 1);
	return (_Atomic uint8_t *)(base + SHADOW_BYTES + (at - base) / sizeof *g);
}

HOT void page_use(const struct granule *g)
{
	uintptr_t at = (uintptr_t)g, base = at & ~(SHADOW_BYTES - 1);
	_Atomic uint8_t *page = (_Atomic uint8_t *)(base + SHADOW_BYTES + SHADOW_BYTES / sizeof *g + (at - base) / (512 * sizeof *g));
	if (unlikely(!atomic_load_explicit(page, memory_order_relaxed)))
		atomic_store_explicit(page, 1, memory_order_relaxed);
}

/* It is about to hold something. */
HOT void granule_use(const struct granule *g)
{
	page_use(g);
	atomic_store_explicit(state_of(g), GRANULE_USED, memory_order_relaxed);
}

/* Pages of shadow are counted before they are touched, so a granule's first record is not the fast half's business. */
extern bool shadow_counted;

/* Of a set of 64 granules: where the one lies that the lowest bit stands for (bit k + 8 * j is granule 8 * k + j). */
HOT unsigned granule_nth(uint64_t set)
{
	unsigned bit = (unsigned)__builtin_ctzll(set);
	return (bit & 7) << 3 | bit >> 3;
}

#endif
