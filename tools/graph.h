/*
 * graph.h - The lock-order graph of a model: locks (or classes of locks), and who wanted which while holding which.
 */
#ifndef SNARL_TOOLS_GRAPH_H
#define SNARL_TOOLS_GRAPH_H

#include <stdio.h>

#include "report.h"

struct graph_node {
	const char *key; /* what makes two locks one node */
	const char *name, *kind, *class, *address;
	struct section *section; /* of the first lock */
	uint64_t lock;
	uint64_t contended;
	unsigned nr_locks; /* merged into it */
	unsigned index;
	bool on_cycle, shown;
	unsigned component; /* strongly connected */
	UT_hash_handle hh;
};

struct graph_arc {
	struct {
		unsigned from, to;
	} ends;
	uint64_t count; /* dependencies */
	const char *threads[3];
	unsigned nr_threads;
	const char *place; /* where the first one wanted it */
	bool on_cycle, all_gated, may_block;
	const char *gate; /* a lock held around all of them */
	uint64_t *gates;  /* ids held at every dependency so far, in section `gates_of` */
	unsigned nr_gates;
	const struct section *gates_of;
	UT_hash_handle hh;
};

/* A location that threads accessed in no order. */
struct graph_race {
	const struct fold *fold;
	const char *name;
	unsigned index; /* races of one variable share it */
};

struct graph {
	struct report *report;
	struct graph_node *by_key, **nodes;
	size_t nr_nodes, cap_nodes;
	struct graph_arc *arcs;
	struct graph_race *races;
	size_t nr_races, cap_races;
	bool classes;
	struct mem mem;
};

struct graph_view {
	bool cycles, classes;
	const char *around;
	unsigned hops;
};

void graph_build(struct graph *g, struct report *r, bool classes);
void graph_free(struct graph *g);
/* Marks strongly connected components and what lies on a cycle (graph_scc.c). */
void graph_mark_cycles(struct graph *g);
/* The nodes that `word` names: name, address, id or a part of the name; number of them. */
size_t graph_find(struct graph *g, const char *word, struct graph_node **found, size_t max);

/* graph_race.c: boxes for the locations, tied to their threads and the locks held. */
void graph_add_races(struct graph *g);
void graph_put_races(struct graph *g, const struct graph_view *v, FILE *to);
/* The node of a lock, made if need be. */
struct graph_node *graph_node_of(struct graph *g, struct section *s, uint64_t lock, bool classes);
/* Text inside a quoted DOT string. */
void graph_put_text(FILE *to, const char *text);

/* graph_dot.c: false when `around` names no lock. */
bool graph_dot(struct graph *g, const struct graph_view *v, FILE *to);
/* The model's graph into a file, as `run --graph=` wants it. False: errno. */
bool graph_write(struct report *r, const char *path);

/* graph_explain.c: false when a word names no lock, or several. */
bool graph_explain(struct report *r, const char *a, const char *b, struct out *o);

#endif
