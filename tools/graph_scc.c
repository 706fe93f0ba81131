/* graph_scc.c - Strongly connected components by Tarjan's algorithm, without recursion: graphs of many locks are deep.
 */
#include "graph.h"

#include <stdlib.h>

struct state {
	unsigned *first, *next_arc; /* arcs by source: first[node] .. first[node + 1], and where the walk is */
	unsigned *to;
	unsigned *order, *low;
	unsigned *path, *stack;
	bool *on_stack;
	size_t nr_path, nr_stack;
	unsigned clock, components;
};

static void sort_arcs(struct graph *g, struct state *s)
{
	size_t nr = HASH_COUNT(g->arcs);
	s->first = mem_alloc((g->nr_nodes + 2) * sizeof *s->first);
	s->to = mem_alloc(nr * sizeof *s->to);
	for (const struct graph_arc *a = g->arcs; a; a = a->hh.next)
		s->first[a->ends.from + 2]++;
	for (size_t i = 2; i < g->nr_nodes + 2; i++)
		s->first[i] += s->first[i - 1];
	for (const struct graph_arc *a = g->arcs; a; a = a->hh.next)
		s->to[s->first[a->ends.from + 1]++] = a->ends.to;
}

static void enter(struct state *s, unsigned node)
{
	s->order[node] = s->low[node] = ++s->clock;
	s->next_arc[node] = s->first[node];
	s->path[s->nr_path++] = node;
	s->stack[s->nr_stack++] = node;
	s->on_stack[node] = true;
}

static void leave(struct graph *g, struct state *s, unsigned node)
{
	s->nr_path--;
	if (s->nr_path && s->low[node] < s->low[s->path[s->nr_path - 1]])
		s->low[s->path[s->nr_path - 1]] = s->low[node];
	if (s->low[node] != s->order[node])
		return;
	size_t from = s->nr_stack;
	while (s->stack[--from] != node)
		;
	bool cycle = s->nr_stack - from > 1;
	s->components++;
	for (size_t i = from; i < s->nr_stack; i++) {
		struct graph_node *x = g->nodes[s->stack[i]];
		s->on_stack[s->stack[i]] = false;
		x->component = s->components;
		x->on_cycle = cycle;
	}
	s->nr_stack = from;
}

static void walk(struct graph *g, struct state *s, unsigned root)
{
	enter(s, root);
	while (s->nr_path) {
		unsigned node = s->path[s->nr_path - 1];
		if (s->next_arc[node] == s->first[node + 1]) {
			leave(g, s, node);
			continue;
		}
		unsigned to = s->to[s->next_arc[node]++];
		if (!s->order[to])
			enter(s, to);
		else if (s->on_stack[to] && s->order[to] < s->low[node])
			s->low[node] = s->order[to];
	}
}

void graph_mark_cycles(struct graph *g)
{
	struct state s = { 0 };
	size_t nr = g->nr_nodes + 1;
	sort_arcs(g, &s);
	s.next_arc = mem_alloc(nr * sizeof *s.next_arc);
	s.order = mem_alloc(nr * sizeof *s.order);
	s.low = mem_alloc(nr * sizeof *s.low);
	s.path = mem_alloc(nr * sizeof *s.path);
	s.stack = mem_alloc(nr * sizeof *s.stack);
	s.on_stack = mem_alloc(nr * sizeof *s.on_stack);
	for (unsigned i = 0; i < g->nr_nodes; i++)
		if (!s.order[i])
			walk(g, &s, i);
	for (struct graph_arc *a = g->arcs; a; a = a->hh.next)
		a->on_cycle =
		    a->ends.from != a->ends.to && g->nodes[a->ends.from]->component == g->nodes[a->ends.to]->component;
	free(s.first);
	free(s.next_arc);
	free(s.to);
	free(s.order);
	free(s.low);
	free(s.path);
	free(s.stack);
	free(s.on_stack);
}
