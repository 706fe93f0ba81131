/* cycle_found.c - See cycle_found.h. */
#include "detect/cycle_found.h"

#include "base/arena.h"
#include "detect/segment.h"

uint64_t cycle_nr;

/* Keys of 63 bits, as (hash, id): two different sets of locks meet in one once in 10^18. */
static struct order_table known;
static uint32_t nr_pairs;
static struct cycle_found *found_first, **found_last = &found_first;
static uint64_t sorted[CYCLE_MAX];

static bool same_id(uint32_t id, const void *key)
{
	return id == *(const uint32_t *)key;
}

static uint64_t mix(uint64_t h, uint64_t x)
{
	h = (h ^ x) * 0x9e3779b97f4a7c15u;
	h = (h ^ h >> 32) * 0xd6e8feb86659fd93u;
	return h ^ h >> 29;
}

static bool is_known(uint64_t key)
{
	uint32_t id = (uint32_t)key | 1;
	return order_table_find(&known, (uint32_t)(key >> 32), same_id, &id);
}

/* What is known, four numbers each: the key and two of the locks, until one of those is gone. */
static struct order_vec kept;
static uint32_t keep_most = 1 << 14;

static bool is_gone(uint32_t lock)
{
	const struct chain_lock *l = chain_lock_find(lock);
	return !l || !l->nodes;
}

static void tidy(void)
{
	uint32_t nr = 0;
	for (uint32_t i = 0; i < kept.nr; i += 4) {
		const uint32_t *k = &kept.v[i];
		if (is_gone(k[2]) || is_gone(k[3])) {
			order_table_remove(&known, k[0], k[1]);
			continue;
		}
		for (unsigned j = 0; j < 4; j++)
			kept.v[nr++] = k[j];
	}
	kept.nr = nr;
	keep_most = nr < 1 << 13 ? 1 << 14 : 2 * nr;
}

static void remember(uint64_t key)
{
	uint32_t k[4] = { (uint32_t)(key >> 32), (uint32_t)key | 1, chain_node(cycle_pick[0].node)->lock,
			  chain_node(cycle_pick[1].node)->lock };
	if (kept.nr >= keep_most)
		tidy();
	if (!order_table_add(&known, k[0], k[1])) {
		chain_dropped++;
		return;
	}
	/* Without room for it, it is known for ever, which is no harm. Room comes in multiples of four. */
	for (unsigned i = 0; i < 4 && (i || kept.nr < kept.room || order_vec_grow(&kept)); i++)
		order_vec_push(&kept, k[i]);
}

static uint64_t pair_key(uint32_t a, uint32_t b)
{
	return mix(0x70616972, a < b ? (uint64_t)a << 32 | b : (uint64_t)b << 32 | a);
}

bool cycle_pair_known(uint32_t a, uint32_t b)
{
	return nr_pairs && is_known(pair_key(a, b));
}

/* The chain through which pick i holds what the one before wants; for the first one it is looked up. */
static const struct chain_node *hold_of(unsigned i, unsigned nr)
{
	if (i)
		return chain_node(cycle_pick[i].hold);
	uint32_t want = chain_node(cycle_pick[nr - 1].node)->lock, up = chain_node(cycle_pick[0].node)->parent;
	while (chain_node(up)->lock != want)
		up = chain_node(up)->parent;
	return chain_node(up);
}

/* Two readers wait for each other only while a third thread waits to write. */
static bool writer_between(uint32_t lock, unsigned wants, unsigned holds, unsigned nr)
{
	for (uint32_t id = chain_lock_find(lock)->nodes; id; id = chain_node(id)->peer.next) {
		const struct chain_node *n = chain_node(id);
		if (chain_reads(n))
			continue;
		for (uint32_t c = n->ctx; c; c = chain_ctx(c)->next) {
			const struct chain_ctx *w = chain_ctx(c), *a = chain_ctx(cycle_pick[wants].ctx),
					       *b = chain_ctx(cycle_pick[holds].ctx);
			bool outside = true;
			for (unsigned i = 0; i < nr && outside; i++)
				outside = chain_ctx(cycle_pick[i].ctx)->thread != w->thread;
			if (outside && !segment_ordered(w->thread, w->seg, a->thread, a->seg) &&
			    !segment_ordered(w->thread, w->seg, b->thread, b->seg))
				return true;
		}
	}
	return false;
}

static uint64_t ring_key(unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		const struct chain_node *want = chain_node(cycle_pick[i].node), *held = hold_of((i + 1) % nr, nr);
		uint64_t x = (uint64_t)want->lock << 2 | (uint64_t)(chain_reads(want) << 1) | chain_reads(held);
		unsigned at = i;
		for (; at && sorted[at - 1] > x; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = x;
	}
	uint64_t h = nr;
	for (unsigned i = 0; i < nr; i++)
		h = mix(h, sorted[i]);
	return h;
}

static bool copy(unsigned nr)
{
	size_t nr_holds = 0;
	for (unsigned i = 0; i < nr; i++)
		nr_holds += chain_depth(chain_node(cycle_pick[i].node)) - 1;
	struct order_dep *dep;
	struct cycle_found *f = arena_malloc(sizeof *f + nr * sizeof *dep + nr_holds * sizeof(struct order_hold));
	if (!f)
		return false;
	dep = (struct order_dep *)(f + 1);
	struct order_hold *hold = (struct order_hold *)(dep + nr);
	*f = (struct cycle_found){ .cycle = { .nr = nr, .dep = dep } };
	for (unsigned i = 0; i < nr; i++) {
		const struct chain_node *n = chain_node(cycle_pick[i].node);
		const struct chain_ctx *c = chain_ctx(cycle_pick[i].ctx);
		dep[i] = (struct order_dep){ .thread = c->thread,
					     .seg = c->seg,
					     .lock = n->lock,
					     .key = chain_key(n),
					     .stack = c->want_stack,
					     .nr_held = chain_depth(n) - 1,
					     .held = hold };
		chain_holds(n, c, hold);
		hold += dep[i].nr_held;
		f->cycle.timed |= chain_key(n) & ORDER_TIMED;
	}
	*found_last = f;
	found_last = &f->next;
	return true;
}

bool cycle_emit(unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		const struct chain_node *want = chain_node(cycle_pick[i].node);
		if (chain_reads(want) && chain_reads(hold_of((i + 1) % nr, nr)) &&
		    !writer_between(want->lock, i, (i + 1) % nr, nr))
			return false;
	}
	uint64_t key = ring_key(nr);
	if (is_known(key))
		return true;
	if (!copy(nr)) {
		chain_dropped++;
		return true;
	}
	remember(key);
	if (nr == 2) {
		uint64_t pair = pair_key(chain_node(cycle_pick[0].node)->lock, chain_node(cycle_pick[1].node)->lock);
		if (!is_known(pair))
			remember(pair);
		nr_pairs++;
	}
	cycle_nr++;
	return true;
}

struct cycle_found *cycle_take(void)
{
	struct cycle_found *f = found_first;
	found_first = NULL;
	found_last = &found_first;
	return f;
}
