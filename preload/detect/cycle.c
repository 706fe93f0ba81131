/* cycle.c - See cycle.h. The search itself; what is found is written down in cycle_found.c. */
#include "detect/cycle_found.h"

#include "detect/segment.h"
#include "detect/topo.h"

enum {
	EARN = 1024,     /* steps of search per dependency recorded */
	PURSE = 1 << 20, /* that can be saved up: about 50 ms */
	ENOUGH = 4096,   /* steps after which the backward look stops at what it needs */
	NR_MEMO = 64,
};

uint64_t cycle_cut;

struct cycle_pick cycle_pick[CYCLE_MAX];

/* How far the choice at one place of the ring has got. */
struct frame {
	uint32_t peer; /* holds what the one before wants; its subtree is walked */
	uint32_t node; /* the dependency looked at */
	uint32_t ctx;  /* the next one of its contexts to try */
};
static struct frame frame[CYCLE_MAX];

static int64_t purse = PURSE;
static int64_t steps; /* left */
static bool longer;   /* something was refused only because the ring would get longer */
static struct order_vec queue, holds;
static unsigned horizon; /* locks not seen by the backward look are at least that far, or (0) cannot lead there */

/* ---- the rules ---- */

static bool can_block(bool wants_read, bool held_read, uint32_t lock)
{
	return !(wants_read && held_read) || chain_waits_for_writers(lock);
}

/* Is the lock held by a dependency chosen, so that this one cannot be beside it? */
static bool gated(const struct chain_node *hold)
{
	const struct chain_lock *l = chain_lock_find(hold->lock);
	return l->writers || (l->readers && !chain_reads(hold));
}

/* Is every chain that ends in this lock behind a gate that a dependency chosen holds? (All accounts under one big lock.) */
static bool behind_gate(const struct chain_lock *l)
{
	const struct chain_lock *gate = l->gate ? chain_lock_find(l->gate) : NULL;
	return gate && gate->writers;
}

/* A lock that both this chain and a dependency chosen write, or (given one) that one if so; 0: none. */
static uint32_t gate_of(uint32_t chain, uint32_t only)
{
	for (const struct chain_node *n; chain; chain = n->parent) {
		n = chain_node(chain);
		if (only ? n->lock == only : chain_lock_find(n->lock)->writers != 0)
			return chain_reads(n) ? 0 : n->lock;
	}
	return 0;
}

static bool path_free(uint32_t id)
{
	for (const struct chain_node *n; id; id = n->parent) {
		n = chain_node(id);
		if (gated(n))
			return false;
	}
	return true;
}

static void mark(const struct chain_node *dep, int by)
{
	for (uint32_t up = dep->parent; up;) {
		const struct chain_node *h = chain_node(up);
		struct chain_lock *l = chain_lock_find(h->lock);
		uint16_t *count = chain_reads(h) ? &l->readers : &l->writers;
		*count = (uint16_t)(*count + by);
		up = h->parent;
	}
}

/* Most questions are about the first dependency and the same few threads. */
static struct {
	uint32_t thread, seg, search;
	bool apart;
} memo[NR_MEMO];
static uint32_t search_nr;

static bool overlaps(const struct chain_ctx *a, const struct chain_ctx *b)
{
	return a->thread != b->thread && !segment_ordered(a->thread, a->seg, b->thread, b->seg);
}

static bool overlaps_first(const struct chain_ctx *c)
{
	unsigned i = (c->thread * 31 + c->seg) % NR_MEMO;
	if (memo[i].search != search_nr || memo[i].thread != c->thread || memo[i].seg != c->seg) {
		memo[i].search = search_nr;
		memo[i].thread = c->thread;
		memo[i].seg = c->seg;
		memo[i].apart = overlaps(chain_ctx(cycle_pick[0].ctx), c);
	}
	return memo[i].apart;
}

static bool overlaps_all(const struct chain_ctx *c, unsigned nr)
{
	if (!overlaps_first(c))
		return false;
	for (unsigned i = 1; i < nr; i++)
		if (!overlaps(chain_ctx(cycle_pick[i].ctx), c))
			return false;
	return true;
}

/* ---- length 2 ---- */

/* chain_after among those with children, which stand first. */
static uint32_t next_inner(uint32_t id, uint32_t top, bool descend)
{
	const struct chain_node *n = chain_node(id);
	if (descend && n->child && chain_node(n->child)->bits & CHAIN_INNER)
		return n->child;
	for (; id != top; id = n->parent, n = chain_node(id))
		if (n->sibling.next && chain_node(n->sibling.next)->bits & CHAIN_INNER)
			return n->sibling.next;
	return 0;
}

static void try_pair(uint32_t id)
{
	const struct chain_node *n = chain_node(id);
	const struct chain_lock *l = chain_lock_find(n->lock);
	if (!chain_is_dep(n) || !can_block(chain_reads(n), l->mode - 1, n->lock))
		return;
	cycle_pick[1].node = id;
	for (uint32_t c = n->ctx; c; c = chain_ctx(c)->next) {
		steps--;
		if (!overlaps_first(chain_ctx(c)))
			continue;
		cycle_pick[1].ctx = c;
		if (cycle_emit(2))
			return;
	}
}

/* Some dependency that holds what the first one wants, and wants what it holds. */
static void search_pairs(void)
{
	enum { FEW = 8 };
	const struct chain_node *first = chain_node(cycle_pick[0].node);
	if (behind_gate(chain_lock_find(first->lock)))
		return;
	for (uint32_t peer = chain_lock_find(first->lock)->nodes; peer; peer = chain_node(peer)->peer.next) {
		const struct chain_node *p = chain_node(peer);
		if (!(p->bits & CHAIN_INNER))
			break;
		steps--;
		if (!can_block(chain_reads(first), chain_reads(p), first->lock) || !path_free(peer))
			continue;
		cycle_pick[1].hold = peer;
		if (holds.nr > FEW) {
			for (uint32_t id = peer; (id = chain_after(id, peer, id == peer || !gated(chain_node(id))));) {
				steps--;
				if (chain_lock_find(chain_node(id)->lock)->mode)
					try_pair(id);
			}
			continue;
		}
		/* Not all that is wanted under it, but straight what is looked for. */
		for (uint32_t id = peer; id; id = next_inner(id, peer, id == peer || !gated(chain_node(id)))) {
			steps--;
			if (id != peer && gated(chain_node(id)))
				continue;
			for (uint32_t h = 0; h < holds.nr; h++)
				for (uint32_t key = 0; key < ORDER_TRY; key++) {
					uint32_t dep = chain_find(id, holds.v[h], key);
					if (dep)
						try_pair(dep);
				}
		}
	}
}

/* ---- longer ---- */

static bool any_overlap(const struct chain_node *n)
{
	for (uint32_t c = n->ctx; c; c = chain_ctx(c)->next)
		if (overlaps_first(chain_ctx(c)))
			return true;
	return false;
}

/* Marks what this dependency holds as leading on; false when out of memory. */
static bool look_under(const struct chain_node *n, uint32_t vertex, unsigned far)
{
	bool news = false, apart = true;
	for (uint32_t up = n->parent; up && apart; up = chain_node(up)->parent) {
		const struct chain_lock *u = chain_lock_find(chain_node(up)->lock);
		news |= !u->far && u->vertex && topo_same(u->vertex, vertex);
		apart = !gated(chain_node(up));
		steps--;
	}
	if (!news || !apart || !any_overlap(n))
		return true;
	for (uint32_t up = n->parent; up; up = chain_node(up)->parent) {
		struct chain_lock *u = chain_lock_find(chain_node(up)->lock);
		if (u->far || !u->vertex || !topo_same(u->vertex, vertex))
			continue;
		if (!order_vec_push(&queue, chain_node(up)->lock))
			return false;
		u->far = (uint16_t)far;
	}
	return true;
}

/* How many dependencies, each fit to stand beside the first one, lead from a lock to what that one holds? */
static bool look_back(uint32_t want, uint32_t vertex)
{
	const struct chain_lock *target = chain_lock_find(want);
	int64_t start = steps;
	horizon = 0;
	for (uint32_t q = 0; q < queue.nr; q++) {
		struct chain_lock *x = chain_lock_find(queue.v[q]);
		unsigned far = x->far + 1u;
		if (far > CYCLE_MAX)
			break;
		if (behind_gate(x))
			continue;
		uint32_t gate = gate_of(chain_node(x->nodes)->parent, 0);
		for (uint32_t id = x->nodes; id; id = chain_node(id)->peer.next) {
			const struct chain_node *n = chain_node(id);
			if (--steps < 0)
				return false;
			if (gate)
				gate = gate_of(n->parent, gate);
			if (!gate && chain_is_dep(n) && !look_under(n, vertex, far))
				return false;
		}
		/* Not looked at while all had it; what was skipped so before the first that has not, is behind it all the same. */
		x->gate = gate;
		if (target->far && start - steps > ENOUGH) {
			horizon = far;
			break;
		}
	}
	return target->far;
}

/* May the ring go on to (or, with `last`, end with) this dependency, as far as its lock tells? */
static bool fits(const struct chain_node *n, unsigned place, unsigned nr, uint32_t vertex)
{
	const struct chain_lock *l = chain_lock_find(n->lock);
	if (!chain_is_dep(n) || !l->vertex || !topo_same(l->vertex, vertex))
		return false;
	if (place + 1 == nr) {
		if (!l->mode || !can_block(chain_reads(n), l->mode - 1, n->lock)) {
			longer |= !l->mode && (l->far || horizon);
			return false;
		}
	} else {
		/* far - 1 dependencies are needed beyond this one. */
		unsigned far = l->far ? l->far : horizon;
		if (!far || l->mode)
			return false;
		if (far - 1 > nr - 1 - place) {
			longer = true;
			return false;
		}
	}
	for (unsigned i = 0; i < place; i++) {
		uint32_t other = chain_node(cycle_pick[i].node)->lock;
		if (other == n->lock || cycle_pair_known(other, n->lock))
			return false;
	}
	return true;
}

/* The next choice for this place of the ring. */
static bool advance(unsigned place, unsigned nr, uint32_t vertex)
{
	struct frame *f = &frame[place];
	const struct chain_node *before = chain_node(cycle_pick[place - 1].node);
	for (;;) {
		while (f->ctx) {
			uint32_t c = f->ctx;
			f->ctx = chain_ctx(c)->next;
			if (--steps < 0)
				return false;
			if (overlaps_all(chain_ctx(c), place)) {
				cycle_pick[place] = (struct cycle_pick){ f->node, c, f->peer };
				return true;
			}
		}
		if (f->node)
			f->node = chain_after(f->node, f->peer, f->node == f->peer || !gated(chain_node(f->node)));
		while (!f->node) {
			if (!f->peer && behind_gate(chain_lock_find(before->lock)))
				return false;
			f->peer = f->peer ? chain_node(f->peer)->peer.next : chain_lock_find(before->lock)->nodes;
			if (!f->peer || !(chain_node(f->peer)->bits & CHAIN_INNER) || --steps < 0)
				return false;
			if (can_block(chain_reads(before), chain_reads(chain_node(f->peer)), before->lock) &&
			    path_free(f->peer))
				f->node = chain_node(f->peer)->child;
		}
		if (--steps < 0)
			return false;
		if (fits(chain_node(f->node), place, nr, vertex))
			f->ctx = chain_node(f->node)->ctx;
	}
}

static void search_length(unsigned nr, uint32_t vertex)
{
	unsigned place = 1;
	frame[1] = (struct frame){ 0 };
	while (place) {
		if (!advance(place, nr, vertex)) {
			if (--place)
				mark(chain_node(cycle_pick[place].node), -1);
		} else if (place + 1 == nr) {
			if (cycle_emit(nr))
				frame[place].ctx = 0;
		} else {
			mark(chain_node(cycle_pick[place].node), 1);
			frame[++place] = (struct frame){ 0 };
		}
	}
}

void cycle_earn(void)
{
	purse += EARN;
	if (purse > PURSE)
		purse = PURSE;
}

void cycle_search(uint32_t node, uint32_t ctx)
{
	const struct chain_node *n = chain_node(node);
	uint32_t vertex = chain_lock_find(n->lock)->vertex;
	bool room = true;
	if (!vertex)
		return;
	cycle_pick[0] = (struct cycle_pick){ node, ctx, 0 };
	search_nr++;
	queue.nr = holds.nr = 0;
	mark(n, 1);
	for (uint32_t up = n->parent; up; up = chain_node(up)->parent) {
		const struct chain_node *h = chain_node(up);
		struct chain_lock *l = chain_lock_find(h->lock);
		if (!l->vertex || !topo_same(l->vertex, vertex))
			continue;
		room = order_vec_push(&holds, h->lock) && order_vec_push(&queue, h->lock) && room;
		l->mode = chain_reads(h) + 1;
		l->far = 1;
	}
	steps = purse;
	search_pairs();
	if (topo_threads(vertex) > 2 && topo_locks(vertex) > 2) {
		unsigned nr = 0;
		if (steps > 0 && look_back(n->lock, vertex)) {
			nr = chain_lock_find(n->lock)->far;
			if (nr < 3)
				nr = 3;
			longer = true;
		}
		for (; nr && longer && steps > 0 && nr <= CYCLE_MAX && nr <= topo_locks(vertex); nr++) {
			longer = false;
			search_length(nr, vertex);
		}
		if (steps <= 0 || (nr > CYCLE_MAX && longer))
			cycle_cut++;
	}
	purse = steps > 0 ? steps : 0;
	mark(n, -1);
	for (uint32_t up = n->parent; up; up = chain_node(up)->parent) {
		struct chain_lock *l = chain_lock_find(chain_node(up)->lock);
		l->mode = l->far = 0;
	}
	for (uint32_t i = 0; i < queue.nr; i++)
		chain_lock_find(queue.v[i])->far = 0;
	if (!room)
		chain_dropped++;
}

void cycle_writer(uint32_t lock)
{
	for (uint32_t id = chain_lock_find(lock)->nodes; id; id = chain_node(id)->peer.next) {
		const struct chain_node *n = chain_node(id);
		for (uint32_t c = n->ctx; c && chain_is_dep(n) && chain_reads(n); c = chain_ctx(c)->next)
			cycle_search(id, c);
	}
}
