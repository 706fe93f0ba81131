/*
 * order_cache.h - What a thread remembers of the chains it has walked in this segment, so that walking them again asks nobody.
 *
 * Two tables. Entries say which chain comes next; one is wanted only where yet another lock is taken on top. Most contexts are
 * leaves: there a bit that says "this lock on top of this chain has been recorded" does, 384 locks to the cache line. A
 * thousand locks nested in random pairs are half a million contexts, eight megabytes as entries, 190 KB as bits; and what
 * does not fit the processor's cache costs more than all the rest of a lock and unlock.
 *
 * Only its own thread reads and writes it: the hot half from the program's hooks, the rest while the gate is shut.
 */
#ifndef SNARL_DETECT_ORDER_CACHE_H
#define SNARL_DETECT_ORDER_CACHE_H

#include "base/compiler.h"

#include <string.h>

enum { ORDER_WAYS = 4, ORDER_KNOWN_WAYS = 2, ORDER_KNOWN_LOCKS = 384 };

/* Recorded, but what chain it is will be looked up when somebody asks. */
#define ORDER_LATER UINT32_MAX

/* Four to a cache line; the one whose place it is is looked at first, the rest of its line next, and then its other line: lines
 * fill up where locks lie side by side. */
struct order_entry {
	uint32_t chain, lock; /* key */
	uint32_t stamp;       /* (segment << 3 | mode | how) + 1; 0 empty */
	uint32_t next;        /* the chain with one more */
};

struct order_known {
	uint32_t chain, block, stamp, unused; /* key: block is lock / ORDER_KNOWN_LOCKS */
	uint64_t lock[ORDER_KNOWN_LOCKS / 64];
};
_Static_assert(sizeof(struct order_known) == 64, "a cache line");

struct order_cache {
	struct order_entry *entry;
	uint32_t mask, used; /* those of earlier segments are counted until they are replaced */
	struct order_known *known;
	uint32_t known_mask, known_used;
};

HOT uint32_t order_stamp(uint32_t seg, uint32_t key) { return (seg << 3 | key) + 1; }

/* Locks that are nested in the order in which they were made differ from their chains by one number: they lie side by side. */
HOT uint32_t order_slot(uint32_t chain, uint32_t lock, uint32_t mask)
{
	return (chain + (uint32_t)((lock - chain) * 0x9e3779b97f4a7c15u >> 32)) & mask;
}

HOT uint32_t order_other_slot(uint32_t chain, uint32_t lock, uint32_t mask)
{
	return (uint32_t)(((uint64_t)lock << 32 | chain) * 0x9e3779b97f4a7c15u >> 32) & mask;
}

HOT uint32_t order_known_slot(uint32_t chain, uint32_t block, uint32_t stamp, uint32_t mask)
{
	return (uint32_t)((((uint64_t)chain << 32 | block) ^ stamp) * 0x9e3779b97f4a7c15u >> 32) & mask;
}

HOT uint32_t order_known_other(uint32_t chain, uint32_t block, uint32_t stamp, uint32_t mask)
{
	return (uint32_t)((((uint64_t)chain << 32 | block) ^ stamp) * 0xbf58476d1ce4e5b9u >> 32) & mask;
}

HOT bool order_entry_is(const struct order_entry *e, uint64_t chain_lock, uint32_t stamp)
{
	uint64_t have;
	memcpy(&have, e, sizeof have);
	return have == chain_lock && e->stamp == stamp;
}

/* The chain after taking `lock` on top of `chain`, if it stands where it is looked for first; else 0. */
HOT uint32_t order_next_here(const struct order_cache *c, uint32_t chain, uint32_t lock, uint32_t key, uint32_t seg)
{
	const struct order_entry *e = &c->entry[order_slot(chain, lock, c->mask)];
	return likely(order_entry_is(e, (uint64_t)lock << 32 | chain, order_stamp(seg, key))) ? e->next : 0;
}

/* Hot half: the chain after taking `lock` on top of `chain`, if this thread has been here in this segment; else 0.
 * cost: one cache line, seldom two. */
HOT uint32_t order_next(const struct order_cache *c, uint32_t chain, uint32_t lock, uint32_t key, uint32_t seg)
{
	uint64_t chain_lock = (uint64_t)lock << 32 | chain;
	uint32_t at = order_slot(chain, lock, c->mask), stamp = order_stamp(seg, key);
	for (uint32_t way = 0; way < ORDER_WAYS; way++)
		if (order_entry_is(&c->entry[at ^ way], chain_lock, stamp))
			return c->entry[at ^ way].next;
	at = order_other_slot(chain, lock, c->mask);
	for (uint32_t way = 0; way < ORDER_WAYS; way++)
		if (order_entry_is(&c->entry[at ^ way], chain_lock, stamp))
			return c->entry[at ^ way].next;
	return 0;
}

/* Hot half: has `lock` on top of `chain` been recorded, though what comes next was not kept? cost: one cache line. */
HOT bool order_is_known(const struct order_cache *c, uint32_t chain, uint32_t lock, uint32_t key, uint32_t seg)
{
	uint32_t block = lock / ORDER_KNOWN_LOCKS, bit = lock % ORDER_KNOWN_LOCKS, stamp = order_stamp(seg, key);
	uint32_t at = order_known_slot(chain, block, stamp, c->known_mask);
	for (uint32_t way = 0; way < 2 * ORDER_KNOWN_WAYS; way++) {
		const struct order_known *k = &c->known[at ^ way % ORDER_KNOWN_WAYS];
		if (likely(k->chain == chain && k->block == block && k->stamp == stamp))
			return k->lock[bit / 64] >> bit % 64 & 1;
		if (way == ORDER_KNOWN_WAYS - 1)
			at = order_known_other(chain, block, stamp, c->known_mask);
	}
	return false;
}

/* Both: the chain, ORDER_LATER or 0. */
HOT uint32_t order_step(const struct order_cache *c, uint32_t chain, uint32_t lock, uint32_t key, uint32_t seg)
{
	uint32_t next = order_next(c, chain, lock, key, seg);
	if (likely(next))
		return next;
	return order_is_known(c, chain, lock, key, seg) ? ORDER_LATER : 0;
}

/* Remembers. leaf: nobody has asked for `next`, and there are many like it, so a bit will do. */
void order_remember(struct order_cache *c, uint32_t chain, uint32_t lock, uint32_t key, uint32_t seg, uint32_t next, bool leaf);

/* Gives and takes back the memory. */
void order_cache_start(struct order_cache *c);
void order_cache_stop(struct order_cache *c);
size_t order_cache_bytes(const struct order_cache *c);

#endif
