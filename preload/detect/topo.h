/*
 * topo.h - The plain graph of locks: could there be a cycle at all?
 *
 * Vertices are locks, edges "held when wanted", kept acyclic by putting every strongly connected part into one
 * component; the components stand in an order that agrees with all edges. So an edge that agrees with the order is
 * answered at once, and only dependencies inside one component can be part of a cycle.
 *
 * An edge against the order starts two searches, forward from its end and backward from its start, one edge each in
 * turn; the one that runs out first moves what it saw to the other side (Bender, Fineman, Gilbert, Tarjan: two-way
 * search on an ordered list). So a lock with a million neighbours on one side costs nothing to those on its other side.
 *
 * The graph may have more edges than there are dependencies left (it forgets with the lock, not with the dependency):
 * it answers "no" truly and "yes" for the exact search (cycle.h) to find out.
 *
 * locks: RANK_ORDER, held by the caller.
 */
#ifndef SNARL_DETECT_TOPO_H
#define SNARL_DETECT_TOPO_H

#include "base/compiler.h"

/* A vertex for the lock; 0 when out of memory. */
uint32_t topo_add(uint32_t lock);
/* The lock is gone, its vertex with it. */
void topo_remove(uint32_t v);
/* False when out of memory: the edge is not there. cost: O(1) amortised when it agrees with the order. */
bool topo_edge(uint32_t lower, uint32_t upper);

/* Are the two in one component (and a cycle through both possible)? */
bool topo_same(uint32_t a, uint32_t b);
/* A thread has a dependency that wants this lock. */
void topo_thread(uint32_t v, uint32_t thread);
/* How many threads want locks of this component, of 3 and more: 3. How many locks there are in it. */
unsigned topo_threads(uint32_t v);
uint32_t topo_locks(uint32_t v);

uint32_t topo_nr(void);
/* Edges, some of them perhaps twice: 8 to 16 bytes each. Beyond topo_many order.c adds no more, and counts them. */
uint64_t topo_edges(void);
extern uint64_t topo_many;
/* Vertices gone whose memory is still referred to. */
uint32_t topo_limbo(void);

/* Walks over everything and CHECKs that the order agrees with the edges (tests). */
void topo_check(void);

#endif
