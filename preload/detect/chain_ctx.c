/*
 * chain_ctx.c - Who went through a dependency, when and from where.
 *
 * Per dependency and thread the latest segment is enough, unless the thread has joined another one since. Let (t, s1)
 * and (t, s2), s2 > s1, be two occurrences, t joining nobody between, and e an event of another thread that overlaps
 * (t, s1). If create/join ordered e with (t, s2), there were two ways. (t, s2) before e: then (t, s1), earlier in the
 * same thread, is before e too. e before (t, s2): the path enters t by a join, at s1 or earlier, so e is before (t, s1)
 * too. So whatever overlaps (t, s1) overlaps (t, s2), and every cycle through the former goes through the latter. After
 * a join both are needed: t meets u in s1, joins u and comes again in s2; a cycle of t, u and a third one that comes
 * later has only (t, s1).
 *
 * A dependency is kept although another one of the same thread wants the same lock with fewer locks held: that one can
 * stand in for it only where the cycle closes through a lock that both hold, so dropping one takes a substitute for every lock
 * it holds. That costs more lookups than it saves memory; programs with chains without number are chain_let_go's.
 */
#include "detect/chain.h"

#include "detect/segment.h"

#include <string.h>

enum { DEEP = 32 };

static struct order_table cells;
static struct order_vec scratch;

/* The list of a deep chain is the list of the one below and one more: found again without walking all of it. Between
 * two calls the thread may have taken a lock far down again from elsewhere, through its cache: then this tells the
 * older place. */
static struct {
	uint32_t thread, chain, list;
} deep;

void chain_ctx_forget(void)
{
	deep.chain = 0;
}

static bool same_cell(uint32_t id, const void *key)
{
	const struct chain_cell *c = ORDER_POOL_AT(&chain_cells, struct chain_cell, id), *k = key;
	return c->below == k->below && c->stack == k->stack;
}

static uint32_t cell(uint32_t below, uint32_t stack)
{
	struct chain_cell k = { below, stack };
	uint32_t hash = order_hash(below, stack, 0), id = order_table_find(&cells, hash, same_cell, &k);
	if (id)
		return id;
	id = order_pool_get(&chain_cells);
	if (!id)
		return 0;
	*ORDER_POOL_AT(&chain_cells, struct chain_cell, id) = k;
	if (order_table_add(&cells, hash, id))
		return id;
	order_pool_put(&chain_cells, id);
	return 0;
}

static const struct chain_cell *cell_at(uint32_t id)
{
	return ORDER_POOL_AT(&chain_cells, struct chain_cell, id);
}

/* The stacks of the holds as the chain knows them; where the two differ (something went under), 0. */
static const uint32_t *stacks_of(uint32_t chain, const struct order_hold *held, unsigned nr_held)
{
	uint32_t depth = chain_depth(chain_node(chain)), i = depth;
	for (scratch.nr = 0; scratch.nr < depth;)
		if (!order_vec_push(&scratch, 0))
			return NULL;
	for (const struct chain_node *n; i; chain = n->parent) {
		n = chain_node(chain);
		i--;
		unsigned at = nr_held;
		while (at && held[at - 1].lock != n->lock)
			at--;
		if (at) {
			scratch.v[i] = held[at - 1].stack;
			nr_held = at - 1;
		}
	}
	return scratch.v;
}

static uint32_t list_of(const struct order_hold *held, unsigned from, unsigned nr, uint32_t list)
{
	for (unsigned i = from; i < nr; i++) {
		uint32_t c = cell(list, held[i].stack);
		if (!c) {
			chain_dropped++;
			return 0;
		}
		list = c;
	}
	return list;
}

/* All holds but the top one. */
static uint32_t rest_of(uint32_t thread, uint32_t chain, const struct order_hold *held, unsigned nr)
{
	if (nr <= DEEP)
		return list_of(held, 0, nr - 1, 0);
	uint32_t list;
	if (deep.thread == thread && deep.chain == chain)
		return deep.list;
	if (deep.thread == thread && deep.chain && deep.chain == chain_node(chain)->parent && deep.list)
		list = list_of(held, nr - 2, nr - 1, deep.list);
	else
		list = list_of(held, 0, nr - 1, 0);
	deep.thread = thread;
	deep.chain = chain;
	deep.list = list;
	return list;
}

static void fill(struct chain_ctx *c, const struct chain_node *n, uint32_t thread, uint32_t seg,
		 const struct order_hold *held, unsigned nr, uint32_t want_stack)
{
	uint32_t top = 0, rest = 0;
	const struct chain_node *p = chain_node(n->parent);
	if (n->parent && nr == chain_depth(p) && held[nr - 1].lock == p->lock) {
		top = held[nr - 1].stack;
		rest = rest_of(thread, n->parent, held, nr);
	} else if (n->parent) {
		uint32_t depth = chain_depth(p);
		const uint32_t *s = stacks_of(n->parent, held, nr);
		for (uint32_t i = 0; s && i + 1 < depth; i++)
			rest = cell(rest, s[i]);
		top = s ? s[depth - 1] : 0;
	}
	c->want_stack = want_stack;
	c->top_stack = top;
	c->rest = rest;
	__atomic_store_n(&c->seg, seg, __ATOMIC_RELAXED);
	__atomic_store_n(&c->thread, thread, __ATOMIC_RELEASE);
}

/* Room for one more: of a thread that has too many its oldest; else whoever was joined first, for it can meet the
 * fewest of those to come; else the oldest. */
static uint32_t replace(struct chain_node *n, uint32_t own)
{
	uint32_t *pick = NULL;
	for (uint32_t *from = &n->ctx; *from && !pick; from = &chain_ctx(*from)->next)
		if (own ? chain_ctx(*from)->thread == own : segment_is_joined(chain_ctx(*from)->thread))
			pick = from;
	if (!pick)
		pick = &n->ctx;
	uint32_t id = *pick;
	__atomic_store_n(pick, chain_ctx(id)->next, __ATOMIC_RELEASE);
	chain_ctx(id)->next = 0;
	chain_merged++;
	return id;
}

/* An occurrence that a new one makes superfluous. */
static bool outdone(const struct chain_ctx *c, uint32_t thread, uint32_t seg)
{
	return c->thread == thread && (c->seg == seg || (c->seg < seg && !segment_joins_since(thread, c->seg)));
}

uint32_t chain_record(uint32_t id, uint32_t thread, uint32_t seg, const struct order_hold *held, unsigned nr_held,
		      uint32_t want_stack)
{
	struct chain_node *n = chain_node(id);
	unsigned nr = 0, own = 0;
	uint32_t new = 0;
	for (uint32_t c = n->ctx; c; c = chain_ctx(c)->next, nr++) {
		struct chain_ctx *x = chain_ctx(c);
		if (x->thread != thread)
			continue;
		if (x->seg >= seg)
			return 0;
		own++;
		if (outdone(x, thread, seg)) {
			fill(x, n, thread, seg, held, nr_held, want_stack);
			return c;
		}
	}
	if (own >= CHAIN_MAX_OWN || nr >= CHAIN_MAX_CTX)
		new = replace(n, own >= CHAIN_MAX_OWN ? thread : 0);
	else if ((new = order_pool_get(&chain_ctxs)))
		chain_nr_deps += n->parent != 0;
	else
		chain_dropped++;
	if (!new)
		return 0;
	fill(chain_ctx(new), n, thread, seg, held, nr_held, want_stack);
	chain_append(n, new);
	return new;
}

void chain_append(struct chain_node *n, uint32_t ctx)
{
	uint32_t *last = &n->ctx;
	while (*last)
		last = &chain_ctx(*last)->next;
	__atomic_store_n(last, ctx, __ATOMIC_RELEASE);
}

void chain_adopt(struct chain_node *n, uint32_t ctx)
{
	struct chain_ctx *c = chain_ctx(ctx);
	unsigned nr = 0;
	for (uint32_t i = n->ctx; i; i = chain_ctx(i)->next, nr++) {
		struct chain_ctx *x = chain_ctx(i);
		if (outdone(c, x->thread, x->seg))
			goto drop;
		if (outdone(x, c->thread, c->seg)) {
			uint32_t next = x->next;
			*x = *c;
			x->next = next;
			goto drop;
		}
	}
	if (nr < CHAIN_MAX_CTX) {
		c->next = 0;
		chain_append(n, ctx);
		return;
	}
	chain_merged++;
drop:
	order_pool_put(&chain_ctxs, ctx);
	chain_nr_deps -= n->parent != 0;
}

bool chain_fresh(uint32_t id, uint32_t thread, uint32_t seg)
{
	const struct chain_node *n = chain_node_find(id);
	uint32_t c = n ? __atomic_load_n(&n->ctx, __ATOMIC_ACQUIRE) : 0;
	for (unsigned hops = 0; c && hops < 2 * CHAIN_MAX_CTX; hops++) {
		const struct chain_ctx *x = chain_ctx(c);
		if (__atomic_load_n(&x->thread, __ATOMIC_ACQUIRE) == thread &&
		    __atomic_load_n(&x->seg, __ATOMIC_RELAXED) == seg)
			return true;
		c = __atomic_load_n(&x->next, __ATOMIC_ACQUIRE);
	}
	return false;
}

void chain_holds(const struct chain_node *n, const struct chain_ctx *c, struct order_hold *out)
{
	uint32_t i = chain_depth(n) - 1, list = c->rest, up = n->parent;
	for (bool top = true; i && up; top = false) {
		const struct chain_node *h = chain_node(up);
		uint32_t stack = c->top_stack;
		if (!top) {
			stack = list ? cell_at(list)->stack : 0;
			list = list ? cell_at(list)->below : 0;
		}
		out[--i] = (struct order_hold){ h->lock, stack, chain_key(h) };
		up = h->parent;
	}
}

void chain_drop_ctxs(struct chain_node *n)
{
	while (n->ctx) {
		uint32_t c = n->ctx;
		__atomic_store_n(&n->ctx, chain_ctx(c)->next, __ATOMIC_RELEASE);
		order_pool_put(&chain_ctxs, c);
		chain_nr_deps -= n->parent != 0;
	}
}

void chain_strip(const struct chain_node *n, struct chain_ctx *c, uint32_t at)
{
	uint32_t top = chain_depth(n) - 2; /* place of the top hold */
	if (!top) {
		c->top_stack = 0;
		return;
	}
	if (at == top) {
		c->top_stack = c->rest ? cell_at(c->rest)->stack : 0;
		c->rest = c->rest ? cell_at(c->rest)->below : 0;
		return;
	}
	/* Chains one above the other share all but the ends of their lists: what came of the longest one is remembered, or a
	 * thousand locks destroyed in the order they were nested in would cost a thousand million steps. */
	static struct {
		uint32_t list, at, without;
	} done[64];
	uint32_t list = c->rest;
	scratch.nr = 0;
	for (uint32_t i = top; list && --i > at; list = cell_at(list)->below) {
		if (done[list % ARRAY_SIZE(done)].list == list && done[list % ARRAY_SIZE(done)].at == at)
			break;
		if (!order_vec_push(&scratch, list)) {
			c->rest = 0;
			return;
		}
	}
	if (list && done[list % ARRAY_SIZE(done)].list == list && done[list % ARRAY_SIZE(done)].at == at)
		list = done[list % ARRAY_SIZE(done)].without;
	else
		list = list ? cell_at(list)->below : 0;
	while (scratch.nr) {
		uint32_t was = scratch.v[--scratch.nr];
		if (!(list = cell(list, cell_at(was)->stack)))
			break;
		done[was % ARRAY_SIZE(done)].list = was;
		done[was % ARRAY_SIZE(done)].at = at;
		done[was % ARRAY_SIZE(done)].without = list;
	}
	c->rest = list;
}
