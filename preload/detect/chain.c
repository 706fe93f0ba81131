/* chain.c - See chain.h. Nodes, their lists and the table that finds them; contexts live in chain_ctx.c. */
#include "detect/chain.h"

#include "base/arena.h"

#include <string.h>

struct chain_leaves chain_leaves[1u << (32 - CHAIN_FAMILY_SHIFT)];
static struct chain_leaf *free_leaf;
_Atomic uint32_t chain_changes;

bool (*chain_question)(uint32_t lock);
struct chain_dir *_Atomic chain_dir;
struct order_pool chain_ctxs = ORDER_POOL_INIT(struct chain_ctx), chain_cells = ORDER_POOL_INIT(struct chain_cell);
uint64_t chain_nr, chain_nr_deps, chain_dropped, chain_merged;
uint32_t chain_next_id = 1;

struct order_table chain_nodes;
static struct chain_chunk *free_chunk;

/* ---- locks ---- */

static COLD bool leaves_grow(struct chain_leaves *f, uint32_t i)
{
	uint32_t more = f->room ? f->room : 64;
	while (more <= i)
		more *= 2;
	struct chain_leaf **dir = arena_calloc(more, sizeof *dir);
	if (!dir)
		return false;
	if (f->leaf) {
		memcpy(dir, f->leaf, f->room * sizeof *dir);
		arena_free(f->leaf);
	}
	f->leaf = dir;
	f->room = more;
	return true;
}

static struct chain_lock *lock_get(uint32_t lock)
{
	struct chain_lock *l = chain_lock_find(lock);
	if (likely(l))
		return l;
	struct chain_leaves *f = &chain_leaves[lock >> CHAIN_FAMILY_SHIFT];
	uint32_t i = (lock & ((1u << CHAIN_FAMILY_SHIFT) - 1)) >> CHAIN_LEAF_BITS;
	if (i >= f->room && !leaves_grow(f, i))
		return NULL;
	struct chain_leaf *leaf = free_leaf;
	if (leaf)
		free_leaf = leaf->next_free;
	else if (!(leaf = order_chunk(sizeof *leaf)))
		return NULL;
	leaf->next_free = NULL;
	f->leaf[i] = leaf;
	return &leaf->lock[lock & (CHAIN_LEAF - 1)];
}

/* A page of locks that are all gone serves newer ones. */
static void leaf_count(uint32_t lock, int by)
{
	struct chain_leaf **l = &chain_leaves[lock >> CHAIN_FAMILY_SHIFT]
					 .leaf[(lock & ((1u << CHAIN_FAMILY_SHIFT) - 1)) >> CHAIN_LEAF_BITS];
	(*l)->live += (uint32_t)by;
	if ((*l)->live)
		return;
	(*l)->next_free = free_leaf;
	free_leaf = *l;
	*l = NULL;
}

/* ---- nodes ---- */

struct step {
	uint32_t parent, lock, key;
};

static bool same_step(uint32_t id, const void *key)
{
	const struct step *s = key;
	const struct chain_node *n = chain_node_find(id);
	return n && __atomic_load_n(&n->lock, __ATOMIC_RELAXED) == s->lock &&
	       __atomic_load_n(&n->parent, __ATOMIC_RELAXED) == s->parent &&
	       (__atomic_load_n(&n->bits, __ATOMIC_RELAXED) & CHAIN_KEY) == s->key;
}

uint32_t chain_find(uint32_t parent, uint32_t lock, uint32_t key)
{
	struct step s = { parent, lock, key };
	return order_table_find(&chain_nodes, order_hash(parent, lock, key), same_step, &s);
}

static bool dir_grow(uint32_t chunk)
{
	const struct chain_dir *old = atomic_load_explicit(&chain_dir, memory_order_relaxed);
	uint32_t room = old ? old->room : 0, more = room ? 2 * room : 256;
	if (chunk < room)
		return true;
	struct chain_dir *d = arena_calloc(1, sizeof *d + more * sizeof d->chunk[0]);
	if (!d)
		return false;
	d->room = more;
	for (uint32_t i = 0; i < room; i++)
		d->chunk[i] = old->chunk[i];
	/* The old one stays: somebody may be looking things up in it without a lock. */
	atomic_store_explicit(&chain_dir, d, memory_order_release);
	return true;
}

static void chunk_done(struct chain_dir *d, uint32_t c)
{
	struct chain_chunk *chunk = atomic_load_explicit(&d->chunk[c], memory_order_relaxed);
	if (chunk->live || c == chain_next_id >> ORDER_CHUNK_BITS)
		return;
	atomic_store_explicit(&d->chunk[c], NULL, memory_order_release);
	chunk->next_free = free_chunk;
	free_chunk = chunk;
}

static void node_gone(uint32_t id)
{
	struct chain_dir *d = atomic_load_explicit(&chain_dir, memory_order_relaxed);
	uint32_t c = id >> ORDER_CHUNK_BITS;
	chain_nr--;
	atomic_load_explicit(&d->chunk[c], memory_order_relaxed)->live--;
	chunk_done(d, c);
}

static uint32_t node_new(void)
{
	uint32_t id = chain_next_id, c = id >> ORDER_CHUNK_BITS;
	if (id == UINT32_MAX || !dir_grow(c))
		return 0;
	struct chain_dir *d = atomic_load_explicit(&chain_dir, memory_order_relaxed);
	struct chain_chunk *chunk = atomic_load_explicit(&d->chunk[c], memory_order_relaxed);
	if (!chunk) {
		if (free_chunk) {
			chunk = free_chunk;
			free_chunk = chunk->next_free;
		} else if (!(chunk = order_chunk(sizeof *chunk))) {
			return 0;
		}
		chunk->live = c == 0; /* node 0 stays: it holds nothing */
		atomic_store_explicit(&d->chunk[c], chunk, memory_order_release);
		if (c && atomic_load_explicit(&d->chunk[c - 1], memory_order_relaxed))
			chunk_done(d, c - 1);
	}
	chunk->live++;
	chain_next_id++;
	chain_nr++;
	return id;
}

/* ---- lists ---- */

static struct chain_link *link_of(uint32_t id, enum chain_list which)
{
	struct chain_node *n = chain_node(id);
	return which == CHAIN_PEERS ? &n->peer : &n->sibling;
}

static uint32_t *head_of(const struct chain_node *n, enum chain_list which)
{
	return which == CHAIN_PEERS ? &chain_lock_find(n->lock)->nodes : &chain_node(n->parent)->child;
}

/* Those with children stand first, so that whoever looks for longer chains need not pass the others. */
void chain_link(uint32_t id, enum chain_list which)
{
	const struct chain_node *n = chain_node(id);
	uint32_t *head = head_of(n, which);
	struct chain_link *l = link_of(id, which);
	if (!*head) {
		*l = (struct chain_link){ 0, id };
		*head = id;
		return;
	}
	struct chain_link *first = link_of(*head, which);
	if (n->bits & CHAIN_INNER) {
		*l = (struct chain_link){ *head, first->prev };
		first->prev = id;
		*head = id;
	} else {
		*l = (struct chain_link){ 0, first->prev };
		link_of(first->prev, which)->next = id;
		first->prev = id;
	}
}

void chain_unlink(uint32_t id, enum chain_list which)
{
	uint32_t *head = head_of(chain_node(id), which);
	struct chain_link l = *link_of(id, which);
	if (*head == id)
		*head = l.next;
	else
		link_of(l.prev, which)->next = l.next;
	if (l.next)
		link_of(l.next, which)->prev = l.prev;
	else if (*head)
		link_of(*head, which)->prev = l.prev;
}

static void become_inner(uint32_t id)
{
	struct chain_node *n = chain_node(id);
	if (!id || n->bits & CHAIN_INNER)
		return;
	chain_unlink(id, CHAIN_SIBLINGS);
	chain_unlink(id, CHAIN_PEERS);
	n->bits |= CHAIN_INNER;
	chain_link(id, CHAIN_SIBLINGS);
	chain_link(id, CHAIN_PEERS);
}

static void new_child(uint32_t id, uint32_t parent)
{
	struct chain_node *p = chain_node(parent);
	chain_link(id, CHAIN_SIBLINGS);
	become_inner(parent);
	if (!chain_fans_out(p))
		p->bits += CHAIN_FANS;
}

uint32_t chain_after(uint32_t id, uint32_t top, bool descend)
{
	const struct chain_node *n = chain_node(id);
	if (descend && n->child)
		return n->child;
	for (; id != top; id = n->parent, n = chain_node(id))
		if (n->sibling.next)
			return n->sibling.next;
	return 0;
}

static void changed(void)
{
	uint32_t nr = atomic_load_explicit(&chain_changes, memory_order_relaxed);
	atomic_store_explicit(&chain_changes, nr + 1, memory_order_release);
}

/* ---- growing and pruning ---- */

/* Is `gate` written in this chain? Of a deep one we do not look at all. */
static bool writes(uint32_t chain, uint32_t gate)
{
	enum { DEEP = 64 };
	for (unsigned i = 0; chain && i < DEEP; i++) {
		const struct chain_node *n = chain_node(chain);
		if (n->lock == gate)
			return !chain_reads(n);
		chain = n->parent;
	}
	return false;
}

uint32_t chain_add(uint32_t parent, uint32_t lock, uint32_t key)
{
	struct chain_lock *l = lock_get(lock);
	uint32_t id = l && lock ? node_new() : 0;
	if (!id)
		return 0;
	struct chain_node *n = chain_node(id), *p = chain_node(parent);
	/* The lock last: with it the node is there for readers that hold no lock. */
	*n = (struct chain_node){ .parent = parent, .bits = ((chain_depth(p) + 1) << CHAIN_DEPTH_SHIFT) | key };
	__atomic_store_n(&n->lock, lock, __ATOMIC_RELEASE);
	if (!order_table_add(&chain_nodes, order_hash(parent, lock, key), id)) {
		n->lock = 0;
		node_gone(id);
		return 0;
	}
	if (!l->nodes)
		leaf_count(lock, 1);
	if (unlikely(l->gate) && !writes(parent, l->gate))
		l->gate = 0;
	chain_link(id, CHAIN_PEERS);
	new_child(id, parent);
	changed();
	return id;
}

void chain_move(uint32_t id, uint32_t parent)
{
	struct chain_node *n = chain_node(id);
	order_table_remove(&chain_nodes, order_hash(n->parent, n->lock, chain_key(n)), id);
	n->parent = parent;
	chain_lock_find(n->lock)->gate = 0;
	if (!order_table_add(&chain_nodes, order_hash(parent, n->lock, chain_key(n)), id))
		chain_dropped++;
	new_child(id, parent);
	changed();
}

void chain_free(uint32_t id)
{
	struct chain_node *n = chain_node(id);
	chain_drop_ctxs(n);
	order_table_remove(&chain_nodes, order_hash(n->parent, n->lock, chain_key(n)), id);
	chain_unlink(id, CHAIN_PEERS);
	uint32_t lock = n->lock;
	struct chain_lock *l = chain_lock_find(lock);
	if (!l->nodes) {
		l->gate = 0;
		leaf_count(lock, -1);
	}
	__atomic_store_n(&n->lock, 0, __ATOMIC_RELEASE);
	node_gone(id);
}

/* ---- counting ---- */

static uint64_t edges_of(const struct chain_lock *l, struct order_vec *seen)
{
	seen->nr = 0;
	for (uint32_t top = l->nodes; top && chain_node(top)->bits & CHAIN_INNER; top = chain_node(top)->peer.next)
		for (uint32_t id = top; (id = chain_after(id, top, true));) {
			const struct chain_node *n = chain_node(id);
			struct chain_lock *to = chain_lock_find(n->lock);
			if (!n->ctx || to->far || !order_vec_push(seen, n->lock))
				continue;
			to->far = 1;
		}
	for (uint32_t i = 0; i < seen->nr; i++)
		chain_lock_find(seen->v[i])->far = 0;
	return seen->nr;
}

uint64_t chain_edges(void)
{
	static struct order_vec seen;
	uint64_t nr = 0;
	for (unsigned f = 0; f < ARRAY_SIZE(chain_leaves); f++)
		for (uint32_t i = 0; i < chain_leaves[f].room; i++)
			for (unsigned j = 0; chain_leaves[f].leaf[i] && j < CHAIN_LEAF; j++)
				nr += edges_of(&chain_leaves[f].leaf[i]->lock[j], &seen);
	return nr;
}
