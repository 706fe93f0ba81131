/* graph_dot.c - The graph as DOT, for dot -Tsvg. */
#include "graph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

/* What a quoted DOT string can hold: it is no HTML, but entities in it are resolved all the same. */
void graph_put_text(FILE *to, const char *text)
{
	size_t len = strlen(text);
	for (size_t at = 0; at < len;) {
		int32_t c;
		size_t n = utf8_next(text + at, len - at, &c);
		if (c < 0)
			fputs("\xef\xbf\xbd", to);
		else if (c == '"' || c == '\\')
			fprintf(to, "\\%c", c);
		else if (c == '\n')
			fputs("\\n", to);
		else if (c == '&')
			fputs("&amp;", to);
		else if (utf8_unprintable(c))
			fputc(' ', to);
		else
			fwrite(text + at, 1, n, to);
		at += n;
	}
}

static bool several_processes(const struct graph *g)
{
	for (size_t i = 1; i < g->nr_nodes; i++)
		if (g->nodes[i]->section != g->nodes[0]->section)
			return true;
	return false;
}

static void put_node(const struct graph *g, const struct graph_view *v, const struct graph_node *x, FILE *to, bool pids)
{
	fprintf(to, "\tn%u [label=\"", x->index);
	graph_put_text(to, x->name);
	fputs("\\n", to);
	graph_put_text(to, x->kind);
	if (x->class) {
		fputs(", ", to);
		graph_put_text(to, x->class);
	}
	if (v->classes && x->nr_locks > 1)
		fprintf(to, "\\n%u locks", x->nr_locks);
	if (x->contended)
		fprintf(to, "\\ncontended %llu", (unsigned long long)x->contended);
	if (pids && !v->classes) {
		fprintf(to, "\\n");
		graph_put_text(to, model_program(x->section));
		fprintf(to, " %llu", (unsigned long long)x->section->pid);
	}
	fputs("\"", to);
	if (*x->address && !v->classes)
		fprintf(to, ", tooltip=\"%s\"", x->address);
	if (x->on_cycle)
		fputs(", color=red, penwidth=2", to);
	fputs("];\n", to);
	(void)g;
}

static void put_arc(const struct graph *g, const struct graph_arc *a, FILE *to)
{
	struct names *n = &g->report->names;
	fprintf(to, "\tn%u -> n%u [label=\"%llu", a->ends.from, a->ends.to, (unsigned long long)a->count);
	for (unsigned i = 0; i < a->nr_threads && i < 3; i++) {
		fputs("\\n", to);
		graph_put_text(to, a->threads[i]);
	}
	if (a->nr_threads > 3)
		fputs("\\n...", to);
	if (!a->may_block)
		fputs("\\ntimed", to);
	fputs("\", tooltip=\"wanted at ", to);
	graph_put_text(to, a->place);
	if (a->nr_gates) {
		fputs("; always under ", to);
		graph_put_text(to, names_lock(n, (struct section *)a->gates_of, a->gates[0]));
	}
	fputs("\"", to);
	if (a->on_cycle)
		fputs(", color=red, penwidth=2.5, fontcolor=red", to);
	if (a->nr_gates)
		fputs(", style=dashed", to);
	else if (a->on_cycle)
		fputs(", style=bold", to);
	fputs("];\n", to);
}

/* Everything within `hops` arcs of the marked ones, against their direction too. */
static void spread(struct graph *g, unsigned hops)
{
	for (unsigned h = 0; h < hops; h++) {
		bool *reached = mem_alloc(g->nr_nodes * sizeof *reached), any = false;
		for (const struct graph_arc *a = g->arcs; a; a = a->hh.next) {
			reached[a->ends.to] |= g->nodes[a->ends.from]->shown;
			reached[a->ends.from] |= g->nodes[a->ends.to]->shown;
		}
		for (size_t i = 0; i < g->nr_nodes; i++) {
			any |= reached[i] && !g->nodes[i]->shown;
			g->nodes[i]->shown |= reached[i];
		}
		free(reached);
		if (!any)
			return;
	}
}

bool graph_dot(struct graph *g, const struct graph_view *v, FILE *to)
{
	if (v->around) {
		struct graph_node **found = mem_alloc(g->nr_nodes * sizeof *found);
		size_t nr = graph_find(g, v->around, found, g->nr_nodes);
		for (size_t i = 0; i < nr; i++)
			found[i]->shown = true;
		free(found);
		if (nr == 0)
			return false;
		spread(g, v->hops);
	}
	size_t shown = 0;
	for (size_t i = 0; i < g->nr_nodes; i++) {
		struct graph_node *x = g->nodes[i];
		x->shown = (x->shown || !v->around) && (x->on_cycle || !v->cycles);
		shown += x->shown;
	}
	bool pids = several_processes(g);
	fputs("digraph snarl {\n"
	      "\tcharset=\"UTF-8\";\n"
	      "\trankdir=LR;\n"
	      "\tlabelloc=t;\n"
	      "\tlabel=\"A -> B: B was wanted while A was held\";\n"
	      "\tnode [shape=box, fontname=\"sans-serif\", fontsize=11];\n"
	      "\tedge [fontname=\"sans-serif\", fontsize=9];\n",
	      to);
	if (shown == 0 && g->nr_races == 0)
		fprintf(to, "\tnote [shape=plaintext, label=\"%s\"];\n",
			v->cycles && g->nr_nodes ? "no cycle" : "no lock was wanted while another was held");
	for (size_t i = 0; i < g->nr_nodes; i++)
		if (g->nodes[i]->shown)
			put_node(g, v, g->nodes[i], to, pids);
	for (const struct graph_arc *a = g->arcs; a; a = a->hh.next)
		if (g->nodes[a->ends.from]->shown && g->nodes[a->ends.to]->shown && (a->on_cycle || !v->cycles))
			put_arc(g, a, to);
	graph_put_races(g, v, to);
	fputs("}\n", to);
	return true;
}

bool graph_write(struct report *r, const char *path)
{
	struct graph g;
	FILE *to = fopen(path, "we");
	if (!to)
		return false;
	graph_build(&g, r, false);
	graph_dot(&g, &(struct graph_view){ 0 }, to);
	graph_free(&g);
	bool ok = !ferror(to);
	return fclose(to) == 0 && ok;
}
