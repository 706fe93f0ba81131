/* order_cache.c - The growing halves of order_cache.h. */
#include "detect/order_cache.h"

#include <string.h>

#include "base/arena.h"
#include "detect/chain.h"

enum {
	ENTRIES_FIRST = 256,
	ENTRIES_MOST = 1 << 18, /* 4 MB of each: more would be as far away as the graph itself */
	KNOWN_FIRST = 64,
	KNOWN_MOST = 1 << 16
};

/* Where a cache that has no memory points: never written, never matched. */
static struct order_entry no_entry[ORDER_WAYS];
static struct order_known no_known[ORDER_KNOWN_WAYS];

static bool stale(uint32_t stamp, uint32_t seg) { return !stamp || (stamp - 1) >> 3 != seg; }

/* ---- bits ---- */

static struct order_known *line_at(struct order_cache *c, uint32_t chain, uint32_t block, uint32_t stamp, uint32_t way)
{
	if (way < ORDER_KNOWN_WAYS)
		return &c->known[order_known_slot(chain, block, stamp, c->known_mask) ^ way];
	return &c->known[order_known_other(chain, block, stamp, c->known_mask) ^ (way - ORDER_KNOWN_WAYS)];
}

static struct order_known *line_free(struct order_cache *c, uint32_t chain, uint32_t block, uint32_t stamp, uint32_t seg)
{
	for (uint32_t way = 0; way < 2 * ORDER_KNOWN_WAYS; way++) {
		struct order_known *k = line_at(c, chain, block, stamp, way);
		if (stale(k->stamp, seg))
			return k;
	}
	return NULL;
}

static struct order_known *line_of(struct order_cache *c, uint32_t chain, uint32_t block, uint32_t stamp, uint32_t seg)
{
	for (uint32_t way = 0; way < 2 * ORDER_KNOWN_WAYS; way++) {
		struct order_known *k = line_at(c, chain, block, stamp, way);
		if (k->chain == chain && k->block == block && k->stamp == stamp)
			return k;
	}
	struct order_known *place = line_free(c, chain, block, stamp, seg);
	/* All taken: one of them moves to its other place, or is forgotten. */
	for (uint32_t way = 0; !place && way < 2 * ORDER_KNOWN_WAYS; way++) {
		struct order_known *k = line_at(c, chain, block, stamp, way), *to = line_free(c, k->chain, k->block, k->stamp, seg);
		if (to) {
			c->known_used += !to->stamp;
			*to = *k;
			place = k;
		}
	}
	if (!place)
		place = line_at(c, chain, block, stamp, 0);
	c->known_used += !place->stamp;
	memset(place, 0, sizeof *place); /* a literal would be made on the stack, which may be misaligned */
	place->chain = chain;
	place->block = block;
	place->stamp = stamp;
	return place;
}

static bool line_lives(const struct order_known *k, uint32_t seg)
{
	return !stale(k->stamp, seg) && chain_node_find(k->chain);
}

/* More lines, or the same number without those of earlier segments and of chains that are gone. */
static void known_resize(struct order_cache *c, uint32_t seg)
{
	uint32_t old_nr = c->known_mask ? c->known_mask + 1 : 0, live = 0;
	struct order_known *old = c->known;
	for (uint32_t i = 0; i < old_nr; i++)
		live += line_lives(&old[i], seg);
	uint32_t nr = !old_nr ? KNOWN_FIRST : live * 4 < old_nr ? old_nr : 2 * old_nr;
	struct order_known *k = nr <= KNOWN_MOST ? arena_map(nr * sizeof *k) : NULL;
	if (!k)
		return;
	c->known = k;
	c->known_mask = nr - 1;
	c->known_used = 0;
	for (uint32_t i = 0; i < old_nr; i++)
		if (line_lives(&old[i], seg))
			*line_of(c, old[i].chain, old[i].block, old[i].stamp, seg) = old[i];
	if (old_nr)
		arena_unmap(old, old_nr * sizeof *old);
}

static void set_known(struct order_cache *c, uint32_t chain, uint32_t lock, uint32_t stamp)
{
	uint32_t seg = (stamp - 1) >> 3, bit = lock % ORDER_KNOWN_LOCKS;
	if (c->known_used >= (c->known_mask + 1) / 2 && c->known_mask + 1 < KNOWN_MOST)
		known_resize(c, seg);
	if (c->known_mask)
		line_of(c, chain, lock / ORDER_KNOWN_LOCKS, stamp, seg)->lock[bit / 64] |= (uint64_t)1 << bit % 64;
}

/* ---- entries ---- */

static struct order_entry *entry_at(struct order_cache *c, const struct order_entry *e, uint32_t way)
{
	if (way < ORDER_WAYS)
		return &c->entry[order_slot(e->chain, e->lock, c->mask) ^ way];
	return &c->entry[order_other_slot(e->chain, e->lock, c->mask) ^ (way - ORDER_WAYS)];
}

static struct order_entry *entry_free(struct order_cache *c, const struct order_entry *e)
{
	for (uint32_t way = 0; way < 2 * ORDER_WAYS; way++) {
		struct order_entry *have = entry_at(c, e, way);
		if (stale(have->stamp, (e->stamp - 1) >> 3))
			return have;
	}
	return NULL;
}

static void entry_put(struct order_cache *c, const struct order_entry *e)
{
	struct order_entry *place = NULL;
	for (uint32_t way = 0; !place && way < 2 * ORDER_WAYS; way++) {
		struct order_entry *have = entry_at(c, e, way);
		if (have->chain == e->chain && have->lock == e->lock && have->stamp == e->stamp)
			place = have;
	}
	if (!place)
		place = entry_free(c, e);
	/* All taken: one of them moves to its other place. */
	for (uint32_t way = 0; !place && way < 2 * ORDER_WAYS; way++) {
		struct order_entry *have = entry_at(c, e, way), *to = entry_free(c, have);
		if (to) {
			c->used += !to->stamp;
			*to = *have;
			place = have;
		}
	}
	if (!place) {
		/* Whoever is thrown out is at least known. */
		place = entry_at(c, e, 0);
		set_known(c, place->chain, place->lock, place->stamp);
	}
	c->used += !place->stamp;
	*place = *e;
}

static bool entry_lives(const struct order_entry *e, uint32_t seg)
{
	return !stale(e->stamp, seg) && chain_node_find(e->next);
}

static void entries_resize(struct order_cache *c, uint32_t seg)
{
	uint32_t old_nr = c->mask ? c->mask + 1 : 0, live = 0;
	struct order_entry *old = c->entry;
	for (uint32_t i = 0; i < old_nr; i++)
		live += entry_lives(&old[i], seg);
	uint32_t nr = !old_nr ? ENTRIES_FIRST : live * 4 < old_nr ? old_nr : 2 * old_nr;
	struct order_entry *e = nr <= ENTRIES_MOST ? arena_map(nr * sizeof *e) : NULL;
	if (!e)
		return;
	c->entry = e;
	c->mask = nr - 1;
	c->used = 0;
	for (uint32_t i = 0; i < old_nr; i++)
		if (entry_lives(&old[i], seg))
			entry_put(c, &old[i]);
	if (old_nr)
		arena_unmap(old, old_nr * sizeof *old);
}

void order_remember(struct order_cache *c, uint32_t chain, uint32_t lock, uint32_t key, uint32_t seg, uint32_t next,
		    bool leaf)
{
	struct order_entry e = { chain, lock, order_stamp(seg, key), next };
	if (leaf) {
		set_known(c, chain, lock, e.stamp);
		return;
	}
	if (c->used >= (c->mask + 1) / 2 && c->mask + 1 < ENTRIES_MOST)
		entries_resize(c, seg);
	if (c->mask)
		entry_put(c, &e);
}

/* ---- start and end ---- */

void order_cache_start(struct order_cache *c)
{
	*c = (struct order_cache){ .entry = no_entry, .known = no_known };
	entries_resize(c, 0);
}

void order_cache_stop(struct order_cache *c)
{
	if (c->mask)
		arena_unmap(c->entry, (c->mask + 1) * sizeof *c->entry);
	if (c->known_mask)
		arena_unmap(c->known, (c->known_mask + 1) * sizeof *c->known);
	*c = (struct order_cache){ .entry = no_entry, .known = no_known };
}

size_t order_cache_bytes(const struct order_cache *c)
{
	return (c->mask ? (c->mask + 1) * sizeof *c->entry : 0) +
	       (c->known_mask ? (c->known_mask + 1) * sizeof *c->known : 0);
}
