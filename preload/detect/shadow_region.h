/*
 * shadow_region.h - 64 MiB of the program's memory in the shadow, and the states of its granules, many at once.
 *
 * Blocks are small and of any size, and whoever owns one changes the states of its granules alone, by plain stores: so what is
 * here knows few branches, and none that depends on where in a line a block begins or ends.
 */
#ifndef SNARL_DETECT_SHADOW_REGION_H
#define SNARL_DETECT_SHADOW_REGION_H

#include "detect/race.h"

#include <stddef.h>

#define SHADOW_PAGE 4096ul
#define LINES       (1ul << REGION_BITS >> 6)
#define GRANULES    (1ul << REGION_BITS >> 3)
#define PER_LINE    (LINE_BYTES / 8)

/* What stands for the granules of a line that were given back together. */
struct gone {
	_Atomic uint64_t record;
	_Atomic uint32_t context;
};

struct region {
	struct granule granule[GRANULES];
	_Atomic uint8_t state[GRANULES];
	_Atomic uint8_t page[GRANULES / 512]; /* of the program: 4096 bytes */
	struct gone gone[LINES][2];
	_Atomic uint8_t counted[SHADOW_BYTES / SHADOW_PAGE]; /* pages of granules that memory_limit knows of */
};
_Static_assert(offsetof(struct region, state) == SHADOW_BYTES, "state_of finds it there");
_Static_assert(offsetof(struct region, page) == SHADOW_BYTES + GRANULES, "page_use finds it there");
_Static_assert(GRANULE_USED == 1 && GRANULE_GONE == 2 && GRANULE_GONE_TOO == 4, "one bit each; which of a line's two: state / 4");

HOT struct region *region_of(const struct granule *g) { return (struct region *)((uintptr_t)g & ~(SHADOW_BYTES - 1)); }
HOT size_t index_of(const struct region *r, const struct granule *g) { return (size_t)(g - r->granule); }

#define EVERY 0x0101010101010101ull

/* Several states at once, at any place; the first is lowest. */
typedef volatile uint64_t states8 __attribute__((may_alias, aligned(1)));
typedef volatile uint32_t states4 __attribute__((may_alias, aligned(1)));
typedef volatile uint16_t states2 __attribute__((may_alias, aligned(1)));
HOT states8 *states_at(_Atomic uint8_t *s) { return (states8 *)(void *)s; }

/* In the word of a line: granules i up to n. */
HOT uint64_t states_among(size_t i, size_t n) { return ~0ull << i % PER_LINE * 8 & ~0ull >> (PER_LINE - 1 - (n - 1) % PER_LINE) * 8; }

/* Which of n granules, 1 to 64, are used; reads 64 states. Granule 8 * k + j is bit k + 8 * j: so there is nothing to shift but words. */
HOT uint64_t states_used(_Atomic uint8_t *s, size_t n)
{
#define WORD(k) (*states_at(s + 8 * (k)) & EVERY * GRANULE_USED) << (k)
	uint64_t used = WORD(0) | WORD(1) | WORD(2) | WORD(3) | WORD(4) | WORD(5) | WORD(6) | WORD(7), full = (1ull << n / 8) - 1;
#undef WORD
	return used & (full * EVERY | (((1ull << 8 * (n % 8)) - 1) & EVERY << n / 8 % 8));
}

HOT void states_put_few(_Atomic uint8_t *s, size_t n, uint8_t state)
{
	uint32_t all = state * (uint32_t)EVERY;
	if (n >= 4)
		*(states4 *)(void *)s = *(states4 *)(void *)(s + n - 4) = all;
	else if (n >= 2)
		*(states2 *)(void *)s = *(states2 *)(void *)(s + n - 2) = (uint16_t)all;
	else if (n)
		*(volatile uint8_t *)(void *)s = state;
}

/* n of them, some twice where that is simpler; no other is written. Of the first `too`, less than 8, state has other bits: those of `change` as well. */
HOT void states_put(_Atomic uint8_t *s, size_t n, uint8_t state, size_t too, uint8_t change)
{
	const uint64_t all = state * EVERY, other = change * EVERY;
	if (unlikely(n < 8)) {
		too = too < n ? too : n;
		states_put_few(s, too, state ^ change);
		states_put_few(s + too, n - too, state);
		return;
	}
	size_t last = n - 8, left = too > last ? too - last : 0;
	*states_at(s) = all ^ (other & ((1ull << 8 * too) - 1));
	for (size_t i = 8; i < last; i += 8)
		*states_at(s + i) = all;
	*states_at(s + last) = all ^ (other & ((1ull << 8 * left) - 1));
}

#endif
