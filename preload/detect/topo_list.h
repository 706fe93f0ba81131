/*
 * topo_list.h - The components of the plain graph in their order: a list with labels that say who stands first.
 *
 * A label is found between two neighbours' labels; where there is no room left, the smallest surrounding range
 * that is not too full is spread out again (Bender, Cole, Demaine, Farach-Colton, Zito: Two simplified algorithms for
 * maintaining order in a list): O(log n) amortised per insertion.
 *
 * For topo.c only.
 */
#ifndef SNARL_DETECT_TOPO_LIST_H
#define SNARL_DETECT_TOPO_LIST_H

#include "detect/order_table.h"
#include "detect/topo.h"

struct topo_vertex {
	uint32_t lock;       /* 0: gone, and stands for its component in its neighbours' lists until they are swept */
	uint32_t comp;       /* 0: gone with all its component */
	uint32_t next, prev; /* members of the component, a ring; those gone have their own */
	uint32_t stamp;
	uint32_t limbo; /* next one gone */
};

struct topo_vec {
	uint32_t *v;
	uint32_t nr, room;
};

struct topo_comp {
	uint64_t tag; /* place in the order; 0: has no edge yet, nor a place */
	uint32_t next, prev;
	struct topo_vec out, in; /* vertices on the other side */
	uint32_t member, nr;     /* those that are there */
	uint32_t ghost;          /* those that are gone */
	uint32_t thread[3];
	uint8_t nr_threads, mark;
};

extern struct order_pool topo_vertices, topo_comps;

HOT struct topo_vertex *topo_vertex(uint32_t id)
{
	return ORDER_POOL_AT(&topo_vertices, struct topo_vertex, id);
}
HOT struct topo_comp *topo_comp(uint32_t id)
{
	return ORDER_POOL_AT(&topo_comps, struct topo_comp, id);
}

uint32_t topo_list_first(void);
void topo_list_last(uint32_t c);
/* Puts c right after `where`; returns c. */
uint32_t topo_list_after(uint32_t where, uint32_t c);
void topo_list_before(uint32_t where, uint32_t c);
void topo_list_remove(uint32_t c);
/* Sorts components by their places. */
void topo_list_sort(uint32_t *c, uint32_t nr);

#endif
