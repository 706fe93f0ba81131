/*
 * order.c - The lock-order graph, put together: chains (chain.h), the plain graph that says where a cycle could be
 * (topo.h), the exact search (cycle.h), and each thread's cache.
 */
#include "detect/order.h"

#include "base/arena.h"
#include "base/spin.h"
#include "detect/chain.h"
#include "detect/cycle.h"
#include "detect/topo.h"

#include <string.h>

enum { TRY_RUN = 8 };

static struct spin lock = SPIN_INIT(RANK_ORDER);
static uint64_t limited; /* edges that would have been too many */
static void (*on_cycle)(const struct order_cycle *);
static void (*on_dependency)(const struct order_dep *);

void order_on_cycle(void (*report)(const struct order_cycle *))
{
	on_cycle = report;
}
void order_on_dependency(void (*tell)(const struct order_dep *))
{
	on_dependency = tell;
}
void order_on_question(bool (*reader_blocks_reader)(uint32_t))
{
	chain_question = reader_blocks_reader;
}

/* ---- the plain graph ---- */

static uint32_t vertex(uint32_t id)
{
	struct chain_lock *l = chain_lock_find(id);
	if (l && !l->vertex)
		l->vertex = topo_add(id);
	return l ? l->vertex : 0;
}

static void edge(uint32_t lower, uint32_t upper)
{
	uint32_t a = vertex(lower), b = vertex(upper);
	if (unlikely(topo_edges() >= topo_many) && a && b && !topo_same(a, b)) {
		limited++;
		return;
	}
	if (!a || !b || !topo_edge(a, b))
		chain_dropped++;
}

/*
 * Plain edges for a new chain, as few as keep reachability. A lock that was waited for is reached from all below, so an
 * edge from the top suffices; one that was tried is not, so those below it need their own, down to the first that is
 * reached
 * ("linked"). Long runs of tried locks are linked although nobody waits for them: better a needless search than edges
 * without number.
 */
static void link_up(uint32_t id)
{
	struct chain_node *n = chain_node(id);
	unsigned run = 0;
	if (n->parent && n->bits & ORDER_TRY) {
		for (uint32_t up = n->parent; run < TRY_RUN && !(chain_node(up)->bits & CHAIN_LINKED); run++)
			up = chain_node(up)->parent;
		if (run < TRY_RUN)
			return;
	}
	n->bits |= CHAIN_LINKED;
	for (uint32_t up = n->parent; up; up = chain_node(up)->parent) {
		edge(chain_node(up)->lock, n->lock);
		if (chain_node(up)->bits & CHAIN_LINKED)
			break;
	}
}

/* Is it in a component with something it holds? */
static bool in_component(const struct chain_node *n)
{
	uint32_t want = chain_lock_find(n->lock)->vertex;
	if (!want || topo_locks(want) < 2)
		return false;
	for (uint32_t up = n->parent; up; up = chain_node(up)->parent) {
		uint32_t v = chain_lock_find(chain_node(up)->lock)->vertex;
		if (v && topo_same(v, want))
			return true;
		if (chain_node(up)->bits & CHAIN_LINKED)
			break;
	}
	return false;
}

/* Could a cycle go through this dependency? */
static bool may_close(const struct chain_node *n)
{
	return topo_threads(chain_lock_find(n->lock)->vertex) > 1 && in_component(n);
}

/* ---- chains ---- */

static bool is_in(uint32_t want, uint32_t chain, const struct order_hold *held, unsigned nr_held)
{
	if (nr_held == chain_depth(chain_node(chain))) {
		for (unsigned i = 0; i < nr_held; i++)
			if (held[i].lock == want)
				return true;
		return false;
	}
	for (; chain; chain = chain_node(chain)->parent)
		if (chain_node(chain)->lock == want)
			return true;
	return false;
}

/* A chain that is known not to be there. The same one when the lock is in it already. 0 when out of memory. */
static uint32_t make(uint32_t chain, const struct order_hold *held, unsigned nr_held, uint32_t want, uint32_t key)
{
	if (chain && is_in(want, chain, held, nr_held))
		return chain;
	uint32_t next = chain_add(chain, want, key);
	if (unlikely(!next)) {
		chain_dropped++;
		return 0;
	}
	link_up(next);
	if (unlikely(chain_nr > chain_many))
		chain_let_go(in_component);
	return next;
}

static uint32_t rebuild(const struct order_hold *held, unsigned nr_held, uint32_t *each)
{
	uint32_t chain = 0;
	for (unsigned i = 0; i < nr_held; i++) {
		uint32_t next = chain_find(chain, held[i].lock, held[i].key & CHAIN_KEY);
		if (!next && !(next = make(chain, held, i, held[i].lock, held[i].key & CHAIN_KEY)))
			return 0;
		chain = next;
		if (each)
			each[i] = chain;
	}
	return chain;
}

uint32_t order_resume(struct order_cache *c, uint32_t seg, const struct order_hold *held, unsigned nr_held, unsigned from,
		      uint32_t chain, uint32_t *each)
{
	for (unsigned i = from; i < nr_held; i++) {
		uint32_t key = held[i].key & CHAIN_KEY, next = chain_find(chain, held[i].lock, key);
		if (unlikely(!next)) {
			spin_lock(&lock);
			chain = rebuild(held, nr_held, each);
			spin_unlock(&lock);
			break;
		}
		/* What is known as a leaf turned out to be none. */
		if (c && order_is_known(c, chain, held[i].lock, key, seg))
			order_remember(c, chain, held[i].lock, key, seg, next, false);
		chain = next;
		if (each)
			each[i] = chain;
	}
	return chain;
}

uint32_t order_rebuild(const struct order_hold *held, unsigned nr_held)
{
	return order_resume(NULL, 0, held, nr_held, 0, 0, NULL);
}

/* ---- recording ---- */

/* Kept at the root too, though nothing was held: a writer that readers of a writer-preferring lock wait behind. */
static bool is_writer(uint32_t want, uint32_t key)
{
	return !(key & (ORDER_READ | ORDER_TRY)) && chain_waits_for_writers(want);
}

/* A thread wants a lock. */
struct wish {
	uint32_t thread, seg, chain;
	const struct order_hold *held;
	unsigned nr_held;
	uint32_t lock, key, stack;
};

/* Whether it is new. */
static bool record(uint32_t id, const struct wish *w, bool writer)
{
	const struct chain_node *n = chain_node(id);
	uint32_t ctx = chain_record(id, w->thread, w->seg, w->held, w->nr_held, w->stack);
	if (!ctx)
		return false;
	uint32_t v = chain_lock_find(n->lock)->vertex;
	if (n->parent && v) {
		cycle_earn();
		topo_thread(v, w->thread);
		if (may_close(n))
			cycle_search(id, ctx);
	}
	if (writer && v && topo_locks(v) > 1)
		cycle_writer(n->lock);
	return true;
}

static COLD void tell(const struct wish *w)
{
	on_dependency(&(struct order_dep){ .thread = w->thread, .seg = w->seg, .lock = w->lock, .key = w->key, .stack = w->stack,
					   .nr_held = w->nr_held, .held = w->held });
}

static void deliver(struct cycle_found *f)
{
	while (f) {
		struct cycle_found *next = f->next;
		if (on_cycle)
			on_cycle(&f->cycle);
		arena_free(f);
		f = next;
	}
}

/* Not cold like its caller: for the compiler that would mean small rather than fast, for all it calls too. */
static __attribute__((hot, noinline)) uint32_t next_slow(struct order_cache *c, const struct wish *w)
{
	chain_prefetch(w->chain, w->lock, w->key);
	/* A chain that is not there was lost, or died with a lock. */
	bool mine = w->chain ? chain_node_find(w->chain) != NULL : !w->nr_held;
	bool writer = is_writer(w->lock, w->key), records = writer || (w->nr_held && !(w->key & ORDER_TRY));
	uint32_t changes = atomic_load_explicit(&chain_changes, memory_order_acquire);
	uint32_t next = mine ? chain_find(w->chain, w->lock, w->key) : 0;
	if (next && (!records || chain_fresh(next, w->thread, w->seg))) {
		order_remember(c, w->chain, w->lock, w->key, w->seg, next, w->nr_held && chain_fans_out(chain_node_find(w->chain)));
		return next;
	}
	spin_lock(&lock);
	uint32_t base = w->chain;
	if (unlikely(!mine || (base && !chain_node_find(base))))
		base = rebuild(w->held, w->nr_held, NULL);
	if (next && !chain_node_find(next))
		next = 0;
	if (!next && (base != w->chain || changes != chain_changes))
		next = chain_find(base, w->lock, w->key);
	if (!next && (base || !w->nr_held))
		next = make(base, w->held, w->nr_held, w->lock, w->key);
	struct cycle_found *found = NULL;
	bool news = false;
	if (records && next && next != base) {
		news = record(next, w, writer);
		found = cycle_take();
	}
	spin_unlock(&lock);
	if (likely(next && next != base && base == w->chain))
		order_remember(c, base, w->lock, w->key, w->seg, next, w->nr_held && chain_fans_out(chain_node(base)));
	if (news && w->nr_held && on_dependency)
		tell(w);
	if (unlikely(found))
		deliver(found);
	return next;
}

uint32_t order_next_slow(struct order_cache *c, uint32_t thread, uint32_t seg, uint32_t chain,
			 const struct order_hold *held, unsigned nr_held, uint32_t want, uint32_t key,
			 uint32_t want_stack)
{
	struct wish w = { thread, seg, chain, held, nr_held, want, key & CHAIN_KEY, want_stack };
	return next_slow(c, &w);
}

void order_forget(uint32_t gone)
{
	spin_lock(&lock);
	struct chain_lock *l = chain_lock_find(gone);
	if (l && l->nodes) {
		uint32_t v = l->vertex;
		l->vertex = 0;
		chain_forget(gone, edge);
		if (v)
			topo_remove(v);
	}
	spin_unlock(&lock);
}

void order_gone_add(struct order_gone *g, uint32_t id)
{
	if (g->nr < ARRAY_SIZE(g->few)) {
		g->few[g->nr++] = id;
		return;
	}
	uint32_t n = g->nr - (uint32_t)ARRAY_SIZE(g->few);
	if (n == g->room) {
		uint32_t room = g->room ? 2 * g->room : 256, *more = arena_realloc(g->more, room * sizeof *more);
		if (!more) {
			order_forget(id);
			return;
		}
		g->more = more;
		g->room = room;
	}
	g->more[n] = id;
	g->nr++;
}

static uint32_t *gone_at(struct order_gone *g, uint32_t i)
{
	const uint32_t few = (uint32_t)ARRAY_SIZE(g->few);
	return i < few ? &g->few[i] : &g->more[i - few];
}

/* How many were held when it was wanted: in the first of its chains, which stands for all. */
static uint32_t depth_of(uint32_t id)
{
	const struct chain_lock *l = chain_lock_find(id);
	return l && l->nodes ? chain_depth(chain_node(l->nodes)) : 0;
}

/* In a heap of the first nr, by depth, the one at i may be too small. */
static void sink(struct order_gone *g, uint32_t i, uint32_t nr)
{
	uint32_t id = *gone_at(g, i), depth = depth_of(id);
	for (uint32_t c; (c = 2 * i + 1) < nr; i = c) {
		c += c + 1 < nr && depth_of(*gone_at(g, c + 1)) > depth_of(*gone_at(g, c));
		if (depth_of(*gone_at(g, c)) <= depth)
			break;
		*gone_at(g, i) = *gone_at(g, c);
	}
	*gone_at(g, i) = id;
}

void order_gone(struct order_gone *g)
{
	if (g->nr > 1) {
		spin_lock(&lock);
		for (uint32_t i = g->nr / 2; i-- > 0;)
			sink(g, i, g->nr);
		spin_unlock(&lock);
	}
	for (uint32_t nr = g->nr; nr > 0;) {
		uint32_t id = g->few[0];
		g->few[0] = *gone_at(g, --nr);
		order_forget(id);
		if (nr > 1) {
			spin_lock(&lock);
			sink(g, 0, nr);
			spin_unlock(&lock);
		}
	}
	arena_free(g->more);
	*g = (struct order_gone){ .more = NULL };
}

/* ---- looking at all of it ---- */

void order_each(bool (*f)(const struct order_dep *, void *), void *arg)
{
	struct order_hold few[64], *hold = few;
	uint32_t room = ARRAY_SIZE(few);
	spin_lock(&lock);
	for (uint32_t id = 1; id < chain_next_id; id++) {
		const struct chain_node *n = chain_node_find(id);
		if (!n || !chain_is_dep(n))
			continue;
		uint32_t nr = chain_depth(n) - 1;
		if (nr > room) {
			struct order_hold *more = arena_malloc(2 * nr * sizeof *more);
			if (!more)
				continue;
			if (hold != few)
				arena_free(hold);
			hold = more;
			room = 2 * nr;
		}
		for (uint32_t c = n->ctx; c; c = chain_ctx(c)->next) {
			const struct chain_ctx *x = chain_ctx(c);
			chain_holds(n, x, hold);
			struct order_dep d = { .thread = x->thread,
					       .seg = x->seg,
					       .lock = n->lock,
					       .key = chain_key(n),
					       .stack = x->want_stack,
					       .nr_held = nr,
					       .held = hold };
			if (!f(&d, arg))
				goto out;
		}
	}
out:
	spin_unlock(&lock);
	if (hold != few)
		arena_free(hold);
}

void order_stats(struct order_stats *out)
{
	spin_lock(&lock);
	*out = (struct order_stats){
		.locks = topo_nr(),
		.edges = chain_edges(),
		.deps = chain_nr_deps,
		.chains = chain_nr,
		.cycles = cycle_nr,
		.dropped = chain_dropped,
		.cut = cycle_cut,
		.merged = chain_merged,
		.let_go = chain_gone,
		.limited = limited,
	};
	spin_unlock(&lock);
}

void order_fork_child(void)
{
	spin_reset(&lock);
}
