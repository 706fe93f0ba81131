/*
 * chain_forget.c - A lock is gone: it leaves the chains it was in, and the rest of what they say stays true.
 *
 * "b was wanted with a and the dead v held" goes on as "b was wanted with a held": the objects die, the order between
 * the locks around them does not. So every chain a,v,... becomes a,... and, where there is one like it already, the two
 * are made one. Ten million short-lived locks under (or around) a few long-lived ones leave no more behind than one.
 *
 * What is lost: that v, as a gate, kept two of its past dependencies apart. A cycle of three or more with two such in
 * it is reported where it need not be; v itself can guard nothing any more.
 */
#include "detect/chain.h"

static struct order_vec pairs;

/* Nothing is left that was held, so it is no dependency; but a writer whom readers wait behind is remembered all the same. */
static void to_root(struct chain_node *n)
{
	if (chain_reads(n) || !chain_waits_for_writers(n->lock))
		chain_drop_ctxs(n);
	for (uint32_t c = n->ctx; c; c = chain_ctx(c)->next)
		chain_nr_deps--;
}

/* All of this subtree hold one lock less, that at place `at`. */
static void shorten(uint32_t top, uint32_t at)
{
	for (uint32_t id = top; id; id = chain_after(id, top, true)) {
		struct chain_node *n = chain_node(id);
		for (uint32_t c = n->ctx; c; c = chain_ctx(c)->next)
			chain_strip(n, chain_ctx(c), at);
		if (chain_depth(n) == 2)
			to_root(n);
		n->bits -= 1u << CHAIN_DEPTH_SHIFT;
	}
}

static void merge_ctxs(struct chain_node *from, struct chain_node *to, uint32_t at)
{
	if (!to->parent)
		to_root(from);
	while (from->ctx) {
		uint32_t id = from->ctx;
		from->ctx = chain_ctx(id)->next;
		chain_strip(from, chain_ctx(id), at);
		chain_adopt(to, id);
	}
}

uint32_t chain_many = 1 << 21;
uint64_t chain_gone;

void chain_let_go(bool (*needed)(const struct chain_node *n))
{
	enum { STEPS = 32, MOST = 4 };
	static uint32_t at = 1;
	unsigned gone = 0;
	for (unsigned i = 0; i < STEPS && gone < MOST && chain_nr > chain_many; i++, at++) {
		if (at >= chain_next_id)
			at = 1;
		struct chain_node *n = chain_node_find(at);
		if (!n) {
			/* A page of 256 that are all gone is passed at one step. */
			if (!chain_chunk_there(at))
				at |= ORDER_CHUNK - 1;
			continue;
		}
		uint32_t depth = chain_depth(n);
		bool last = chain_lock_find(n->lock)->nodes == at && !n->peer.next; /* what is known of the lock hangs on it */
		if (n->child || last || depth < 2 || (depth == 2 && chain_nr / 2 <= chain_many) || at + 1 == chain_next_id || needed(n))
			continue;
		chain_unlink(at, CHAIN_SIBLINGS);
		chain_free(at);
		gone++;
	}
	chain_gone += gone;
}

/* Two chains to be made one. Without memory for that they stay two of the same name, which costs space only. */
static void push_pair(uint32_t from, uint32_t to, uint32_t at)
{
	if (order_vec_push(&pairs, from) && order_vec_push(&pairs, to))
		return;
	shorten(from, at);
	chain_move(from, chain_node(to)->parent);
}

/* The subtree of `id`, unlinked from its siblings, goes under `parent`, one lock shorter. */
static void rehome(uint32_t id, uint32_t parent, uint32_t at)
{
	const struct chain_node *n = chain_node(id);
	uint32_t same = chain_find(parent, n->lock, chain_key(n));
	chain_unlink(id, CHAIN_SIBLINGS);
	if (!same) {
		shorten(id, at);
		chain_move(id, parent);
		return;
	}
	pairs.nr = 0;
	push_pair(id, same, at);
	while (pairs.nr >= 2) {
		uint32_t to = pairs.v[--pairs.nr], from = pairs.v[--pairs.nr];
		struct chain_node *f = chain_node(from), *t = chain_node(to);
		merge_ctxs(f, t, at);
		t->bits |= f->bits & CHAIN_LINKED;
		for (uint32_t c; (c = f->child);) {
			const struct chain_node *k = chain_node(c);
			uint32_t twin = chain_find(to, k->lock, chain_key(k));
			chain_unlink(c, CHAIN_SIBLINGS);
			if (twin) {
				push_pair(c, twin, at);
			} else {
				shorten(c, at);
				chain_move(c, to);
			}
		}
		chain_free(from);
	}
}

void chain_forget(uint32_t lock, void (*edge)(uint32_t lower, uint32_t upper))
{
	struct chain_lock *l = chain_lock_find(lock);
	if (!l)
		return;
	chain_ctx_forget();
	for (uint32_t id; (id = l->nodes);) {
		struct chain_node *n = chain_node(id);
		uint32_t parent = n->parent, at = chain_depth(n) - 1;
		for (uint32_t c; (c = n->child);) {
			struct chain_node *k = chain_node(c);
			uint32_t upper = k->lock;
			k->bits |= CHAIN_LINKED;
			rehome(c, parent, at);
			if (parent)
				edge(chain_node(parent)->lock, upper);
		}
		chain_unlink(id, CHAIN_SIBLINGS);
		chain_free(id);
		/* The last one may have given l's memory back. */
		if (!(l = chain_lock_find(lock)))
			break;
	}
}
