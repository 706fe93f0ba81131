#include "graph.h"

#include <stdlib.h>
#include <string.h>

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

/* Where such locks are made, by code and not by address, so that runs and processes agree. */
static const char *class_of(struct graph *g, struct section *s, const struct lock *l)
{
	struct names *n = &g->report->names;
	if (l->is_static) {
		const struct module *m = model_module(s, l->module);
		const char *path = m && m->path ? m->path : "?";
		return mem_printf(&g->mem, "%s+0x%llx", path, (unsigned long long)l->offset);
	}
	const struct trace *t = trace_get(n->symbols, s, l->init ? l->init : l->first);
	const struct frame *f = trace_site(t);
	if (!f)
		return mem_printf(&g->mem, "%p:%llu", (void *)s, (unsigned long long)l->id);
	return mem_printf(&g->mem, "%s %s %s+0x%llx", l->kind_slug ? l->kind_slug : "", l->init ? "init" : "first",
			  f->module && f->module->path ? f->module->path : "?", (unsigned long long)f->offset);
}

struct graph_node *graph_node_of(struct graph *g, struct section *s, uint64_t id, bool classes)
{
	struct names *n = &g->report->names;
	const struct lock *l = model_lock(s, id);
	const char *key =
	    l && classes ? class_of(g, s, l) : mem_printf(&g->mem, "%p:%llu", (void *)s, (unsigned long long)id);
	struct graph_node *x;
	HASH_FIND_STR(g->by_key, key, x);
	if (!x) {
		const struct lock_name *name = names_lock_facts(n, s, id);
		x = mem_take(&g->mem, sizeof *x);
		x->key = key;
		x->name = name->text;
		/* A merged node is no single one of its locks. */
		if (classes && name->by != LOCK_BY_SYMBOL && strrchr(name->text, '#'))
			x->name = mem_copy(&g->mem, name->text, (size_t)(strrchr(name->text, '#') - name->text));
		if (name->file && name->line)
			x->class = mem_printf(&g->mem, "%s %s:%u",
					      name->by == LOCK_BY_SYMBOL ? "declared"
					      : name->by == LOCK_BY_INIT ? "initialised"
									 : "first locked",
					      names_file(n, name->file), name->line);
		x->kind = names_lock_kind(s, id);
		x->address = l && l->address ? mem_printf(&g->mem, "0x%llx", (unsigned long long)l->address) : "";
		x->section = s;
		x->lock = id;
		x->index = (unsigned)g->nr_nodes;
		HASH_ADD_KEYPTR(hh, g->by_key, x->key, strlen(x->key), x);
		*MEM_PUSH(g->nodes, g->nr_nodes, g->cap_nodes) = x;
	}
	return x;
}

/* ---- arcs -------------------------------------------------------------------------------------------------------- */

static bool is_gate(const struct hold *h, uint64_t from, uint64_t to)
{
	return h->lock != from && h->lock != to && strcmp(h->mode, "write") == 0;
}

static void meet_gates(struct graph *g, struct graph_arc *a, const struct section *s, uint64_t from,
		       const struct edge *e)
{
	if (a->count == 0) {
		a->gates_of = s;
		a->gates = mem_take(&g->mem, e->nr_held * sizeof *a->gates);
		for (unsigned i = 0; i < e->nr_held; i++)
			if (is_gate(&e->held[i], from, e->lock))
				a->gates[a->nr_gates++] = e->held[i].lock;
		return;
	}
	unsigned kept = 0;
	for (unsigned k = 0; k < a->nr_gates && a->gates_of == s; k++)
		for (unsigned i = 0; i < e->nr_held; i++)
			if (e->held[i].lock == a->gates[k] && is_gate(&e->held[i], from, e->lock)) {
				a->gates[kept++] = a->gates[k];
				break;
			}
	a->nr_gates = kept;
}

static void add_thread(struct graph_arc *a, const char *name)
{
	for (unsigned i = 0; i < a->nr_threads && i < 3; i++)
		if (strcmp(a->threads[i], name) == 0)
			return;
	if (a->nr_threads < 3)
		a->threads[a->nr_threads] = name;
	a->nr_threads++;
}

static void add_dependency(struct graph *g, struct section *s, const struct edge *e, bool classes)
{
	struct graph_node *to = graph_node_of(g, s, e->lock, classes);
	for (unsigned i = 0; i < e->nr_held; i++) {
		struct graph_node *from = graph_node_of(g, s, e->held[i].lock, classes);
		struct graph_arc *a, key = { .ends = { from->index, to->index } };
		HASH_FIND(hh, g->arcs, &key.ends, sizeof key.ends, a);
		if (!a) {
			a = mem_take(&g->mem, sizeof *a);
			a->ends = key.ends;
			a->place = names_site(&g->report->names, s, e->stack);
			HASH_ADD(hh, g->arcs, ends, sizeof a->ends, a);
		}
		meet_gates(g, a, s, e->held[i].lock, e);
		a->count++;
		a->may_block |= strcmp(e->how, "timed") != 0;
		add_thread(a, names_thread(&g->report->names, s, e->thread, false));
	}
}

/* A killed process leaves no edges, but what it found it found in some. */
static void add_findings(struct graph *g, const struct finding *f, bool classes)
{
	for (unsigned i = 0; i < f->nr_parties; i++) {
		const struct party *p = &f->parties[i];
		if (!p->wants_any || !p->wants.lock)
			continue;
		struct edge e = { .thread = p->thread,
				  .lock = p->wants.lock,
				  .stack = p->wants.stack,
				  .mode = p->wants.mode,
				  .how = p->wants.how ? p->wants.how : "block",
				  .held = p->holds,
				  .nr_held = p->nr_holds };
		add_dependency(g, f->section, &e, classes);
	}
}

void graph_build(struct graph *g, struct report *r, bool classes)
{
	memset(g, 0, sizeof *g);
	g->report = r;
	g->classes = classes;
	for (size_t i = 0; i < r->model.nr_sections; i++) {
		struct section *s = r->model.sections[i];
		struct lock *l, *next;
		if (s->foreign)
			continue;
		HASH_ITER (hh, s->locks, l, next) {
			struct graph_node *x = graph_node_of(g, s, l->id, classes);
			x->contended += l->contended;
			x->nr_locks++;
		}
		for (size_t k = 0; k < s->nr_edges; k++)
			add_dependency(g, s, &s->edges[k], classes);
	}
	for (size_t i = 0; i < r->model.nr_findings; i++)
		if (r->model.findings[i]->section->nr_edges == 0 && !r->model.findings[i]->section->foreign)
			add_findings(g, r->model.findings[i], classes);
	graph_add_races(g);
	graph_mark_cycles(g);
}

void graph_free(struct graph *g)
{
	HASH_CLEAR(hh, g->by_key);
	HASH_CLEAR(hh, g->arcs);
	free(g->nodes);
	free(g->races);
	mem_free(&g->mem);
}

/* ---- by name ----------------------------------------------------------------------------------------------------- */

static bool named(const struct graph_node *x, const char *word, unsigned pass)
{
	char *end;
	switch (pass) {
	case 0:
		return strcmp(x->name, word) == 0;
	case 1:
		return strcasecmp(x->address, word) == 0;
	case 2:
		return *word && strtoull(word, &end, 10) == x->lock && !*end;
	default:
		return *word && strstr(x->name, word);
	}
}

size_t graph_find(struct graph *g, const char *word, struct graph_node **found, size_t max)
{
	size_t nr = 0;
	for (unsigned pass = 0; pass < 4 && nr == 0; pass++)
		for (size_t i = 0; i < g->nr_nodes; i++)
			if (named(g->nodes[i], word, pass)) {
				if (nr < max)
					found[nr] = g->nodes[i];
				nr++;
			}
	return nr;
}
