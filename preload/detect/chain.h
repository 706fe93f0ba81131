/*
 * chain.h - The trie of held chains, and what was seen at each: which thread, in which segment, from where.
 *
 * A node is a chain: its parent's locks and one more. A node below the root that was wanted by blocking is a
 * dependency, and then carries contexts. Ids of nodes are never used twice, because per-thread caches keep
 * stale ones; the memory of 256 neighbours is used again once all of them are gone.
 *
 * locks: RANK_ORDER, held by the caller, but for chain_find and chain_fresh.
 */
#ifndef SNARL_DETECT_CHAIN_H
#define SNARL_DETECT_CHAIN_H

#include "detect/order.h"
#include "detect/order_table.h"

enum {
	CHAIN_KEY = 7,
	CHAIN_LINKED = 8, /* in the plain graph, everything below the last lock reaches it (topo.h) */
	CHAIN_INNER = 16, /* has had children: stands before all that never had in its lists */
	CHAIN_FANS = 32,  /* has had some children; twice that and both: several, so more will come */
	CHAIN_DEPTH_SHIFT = 8,
	CHAIN_MAX_CTX = 32, /* occurrences remembered per dependency; a cycle of k locks needs k threads */
	CHAIN_MAX_OWN = 8   /* of one thread */
};

/* The first one's prev is the last one, the last one's next is 0. */
struct chain_link {
	uint32_t next, prev;
};

struct chain_node {
	uint32_t parent;
	uint32_t lock; /* 0: no such chain any more */
	uint32_t bits; /* key, flags, depth */
	uint32_t ctx;  /* first context */
	uint32_t child;
	struct chain_link sibling, peer; /* peers end in the same lock */
};

/* An occurrence of a dependency: thread, segment, stacks. */
struct chain_ctx {
	uint32_t next;
	uint32_t thread, seg;
	uint32_t want_stack;
	uint32_t top_stack; /* of the last lock held */
	uint32_t rest;      /* of those below: a list of cells, interned, for chains share nearly all of them */
};

struct chain_cell {
	uint32_t below, stack;
};

/* What is known of a lock. The last four are the exact search's scratch marks, 0 between searches. */
struct chain_lock {
	uint32_t nodes;            /* chains that end in it */
	uint32_t vertex;           /* topo.h; 0: never nested */
	uint32_t gate;             /* write-held in every chain below this lock (cycle.c found out); 0 none known */
	uint16_t writers, readers; /* how many of the dependencies chosen hold it */
	uint16_t far;              /* 1 + how many more dependencies a cycle needs from here */
	uint16_t mode;             /* how the dependency searched for holds it, + 1 */
};

enum { CHAIN_LEAF_BITS = 8, CHAIN_LEAF = 1 << CHAIN_LEAF_BITS, CHAIN_FAMILY_SHIFT = 28 };

struct chain_leaf {
	uint32_t live; /* locks here with chains */
	struct chain_leaf *next_free;
	struct chain_lock lock[CHAIN_LEAF];
};

/* Lock ids are dense below the four bits that tell families apart. */
struct chain_leaves {
	struct chain_leaf **leaf;
	uint32_t room;
};

struct chain_chunk {
	uint32_t live;
	struct chain_chunk *next_free;
	struct chain_node node[ORDER_CHUNK];
};

struct chain_dir {
	uint32_t room;
	struct chain_chunk *_Atomic chunk[];
};

extern struct chain_dir *_Atomic chain_dir;
extern struct order_pool chain_ctxs, chain_cells;
extern struct order_table chain_nodes;
extern bool (*chain_question)(uint32_t lock); /* order_on_question */
extern struct chain_leaves chain_leaves[1u << (32 - CHAIN_FAMILY_SHIFT)];
/* Counts additions and changes: what a reader without the lock did not find before, is not there while this is the same. */
extern _Atomic uint32_t chain_changes;
/* Chains; dependencies times threads; lost for want of memory; contexts replaced by another thread's. */
extern uint64_t chain_nr, chain_nr_deps, chain_dropped, chain_merged;
extern uint32_t chain_next_id;

HOT bool chain_waits_for_writers(uint32_t lock) { return chain_question && chain_question(lock); }
HOT uint32_t chain_depth(const struct chain_node *n)
{
	return n->bits >> CHAIN_DEPTH_SHIFT;
}
HOT uint32_t chain_key(const struct chain_node *n)
{
	return n->bits & CHAIN_KEY;
}
HOT bool chain_reads(const struct chain_node *n)
{
	return n->bits & ORDER_READ;
}

/* A node that may be gone; NULL if it is. */
HOT struct chain_node *chain_node_find(uint32_t id)
{
	const struct chain_dir *d = atomic_load_explicit(&chain_dir, memory_order_acquire);
	if (!id || !d || id >> ORDER_CHUNK_BITS >= d->room)
		return NULL;
	struct chain_chunk *c = atomic_load_explicit(&d->chunk[id >> ORDER_CHUNK_BITS], memory_order_acquire);
	struct chain_node *n = c ? &c->node[id & (ORDER_CHUNK - 1)] : NULL;
	return n && __atomic_load_n(&n->lock, __ATOMIC_ACQUIRE) ? n : NULL;
}

/* A node that is there. */
HOT struct chain_node *chain_node(uint32_t id)
{
	const struct chain_dir *d = atomic_load_explicit(&chain_dir, memory_order_relaxed);
	return &atomic_load_explicit(&d->chunk[id >> ORDER_CHUNK_BITS], memory_order_relaxed)
		    ->node[id & (ORDER_CHUNK - 1)];
}

HOT struct chain_ctx *chain_ctx(uint32_t id)
{
	return ORDER_POOL_AT(&chain_ctxs, struct chain_ctx, id);
}

/* What is known of a lock that is in some chain; else NULL or all zero. */
HOT struct chain_lock *chain_lock_find(uint32_t lock)
{
	const struct chain_leaves *f = &chain_leaves[lock >> CHAIN_FAMILY_SHIFT];
	uint32_t i = (lock & ((1u << CHAIN_FAMILY_SHIFT) - 1)) >> CHAIN_LEAF_BITS;
	return i < f->room && f->leaf[i] ? &f->leaf[i]->lock[lock & (CHAIN_LEAF - 1)] : NULL;
}

HOT bool chain_chunk_there(uint32_t id)
{
	const struct chain_dir *d = atomic_load_explicit(&chain_dir, memory_order_relaxed);
	return atomic_load_explicit(&d->chunk[id >> ORDER_CHUNK_BITS], memory_order_relaxed);
}

/* A dependency: something was held, and somebody was ready to wait. */
HOT bool chain_is_dep(const struct chain_node *n)
{
	return n->ctx && n->parent;
}

/* Have several locks been taken on top of it? */
HOT bool chain_fans_out(const struct chain_node *n)
{
	return n && (__atomic_load_n(&n->bits, __ATOMIC_RELAXED) & 3 * CHAIN_FANS) == 3 * CHAIN_FANS;
}

/* Has the memory fetched that says whether there is such a chain: it will be looked for in a moment. */
HOT void chain_prefetch(uint32_t parent, uint32_t lock, uint32_t key)
{
	uint32_t nr = atomic_load_explicit(&chain_nodes.nr, memory_order_acquire);
	if (likely(nr))
		__builtin_prefetch(order_bucket_of(&chain_nodes, nr, order_hash(parent, lock, key)), 1);
}

/* The chain with one more lock, or 0: none, or (called without the lock) unlucky. */
uint32_t chain_find(uint32_t parent, uint32_t lock, uint32_t key);
/* The same, made. 0 when out of memory. The caller adds the plain edges. */
uint32_t chain_add(uint32_t parent, uint32_t lock, uint32_t key);
/* Was this dependency recorded for this thread and segment? Without the lock; may say no wrongly. */
bool chain_fresh(uint32_t id, uint32_t thread, uint32_t seg);

/* Records an occurrence; returns the context, or 0 when there is nothing new to search for (or no memory). */
uint32_t chain_record(uint32_t id, uint32_t thread, uint32_t seg, const struct order_hold *held, unsigned nr_held,
		      uint32_t want_stack);

/* The next node of the subtree of `top`, `id` before what is under it; that is left out unless `descend`. 0 at the end.
 */
uint32_t chain_after(uint32_t id, uint32_t top, bool descend);

/* Writes the holds of a context, bottom first, chain_depth(node) - 1 of them. */
void chain_holds(const struct chain_node *n, const struct chain_ctx *c, struct order_hold *out);

/* Takes a lock that is gone out of all chains; calls edge(lower, upper) for locks that have become neighbours. */
void chain_forget(uint32_t lock, void (*edge)(uint32_t lower, uint32_t upper));

/*
 * With more chains than chain_many, lets go of some of the oldest that nothing hangs on: those with two and more locks held first,
 * those with one only from twice as many on, and none of which needed() is true. Called once per chain added, it keeps pace.
 *
 * Three and more of a thousand locks at a time, always in ascending order, make more chains than there is memory. As long as
 * the plain graph knows of no cycle through their locks they cannot be part of any; should one come up later, what the program
 * goes on doing is recorded anew.
 */
void chain_let_go(bool (*needed)(const struct chain_node *n));
extern uint32_t chain_many;
extern uint64_t chain_gone; /* let go so far */

/* Distinct pairs of a lock wanted and a lock held meanwhile. cost: a walk over everything. */
uint64_t chain_edges(void);

/* ---- between chain*.c only ---- */

enum chain_list { CHAIN_SIBLINGS, CHAIN_PEERS };
void chain_link(uint32_t id, enum chain_list which);
void chain_unlink(uint32_t id, enum chain_list which);
void chain_move(uint32_t id, uint32_t parent);
/* Takes it out of everything but its list of siblings, contexts included. */
void chain_free(uint32_t id);
void chain_append(struct chain_node *n, uint32_t ctx);
/* Takes over a context of a chain that is made one with this one. */
void chain_adopt(struct chain_node *n, uint32_t ctx);
void chain_drop_ctxs(struct chain_node *n);
/* The hold at place `at` (0: first taken) is no more. */
void chain_strip(const struct chain_node *n, struct chain_ctx *c, uint32_t at);
/* Stacks remembered between two calls are out of date. */
void chain_ctx_forget(void);

#endif
