/* graph_race.c - Locations that were accessed in no order, in the graph of locks. */
#include "graph.h"

#include <stdlib.h>
#include <string.h>

static bool is_race(const struct finding *f)
{
	return (f->kind == KIND_DATA_RACE || f->kind == KIND_UNGUARDED_WRITE) && f->nr_parties;
}

void graph_add_races(struct graph *g)
{
	report_new(g->report, NULL, true);
	for (const struct fold *d = g->report->folds; d; d = d->hh.next) {
		struct finding *f = (struct finding *)d->first;
		if (!is_race(f))
			continue;
		struct graph_race *x = MEM_PUSH(g->races, g->nr_races, g->cap_races);
		*x = (struct graph_race){ .fold = d, .name = names_datum(&g->report->names, f), .index = (unsigned)g->nr_races - 1 };
		for (size_t i = 0; i + 1 < g->nr_races; i++)
			if (g->races[i].fold->first->section == f->section && strcmp(g->races[i].name, x->name) == 0) {
				x->index = g->races[i].index;
				break;
			}
		for (unsigned p = 0; p < f->nr_parties; p++)
			for (unsigned h = 0; h < f->parties[p].nr_holds; h++)
				graph_node_of(g, f->section, f->parties[p].holds[h].lock, g->classes);
		if (f->usual.all)
			graph_node_of(g, f->section, f->usual.lock, g->classes);
	}
}

static bool wanted(struct graph *g, const struct graph_view *v, const struct finding *f)
{
	if (v->cycles)
		return false;
	if (!v->around)
		return true;
	for (unsigned p = 0; p < f->nr_parties; p++)
		for (unsigned h = 0; h < f->parties[p].nr_holds; h++)
			if (graph_node_of(g, f->section, f->parties[p].holds[h].lock, g->classes)->shown)
				return true;
	return f->usual.all && graph_node_of(g, f->section, f->usual.lock, g->classes)->shown;
}

void graph_put_races(struct graph *g, const struct graph_view *v, FILE *to)
{
	struct names *n = &g->report->names;
	for (size_t i = 0; i < g->nr_races; i++) {
		const struct graph_race *x = &g->races[i];
		struct finding *f = (struct finding *)x->fold->first;
		if (!wanted(g, v, f))
			continue;
		if (x->index == i) {
			fprintf(to, "\tr%zu [label=\"", i);
			graph_put_text(to, x->name);
			fprintf(to, "\\n%s", f->kind_slug);
			fputs(f->kind == KIND_UNGUARDED_WRITE ? "\", shape=box, style=\"filled,bold\", fillcolor=\"#fff0d0\", color=orange];\n"
							      : "\", shape=box, style=\"filled,bold\", fillcolor=\"#ffe0e0\", color=red];\n",
			      to);
		}
		for (unsigned p = 0; p < f->nr_parties; p++) {
			const struct party *a = &f->parties[p];
			/* A thread may be in several processes: its section tells them apart. */
			size_t s = 0;
			while (s < g->report->model.nr_sections && g->report->model.sections[s] != f->section)
				s++;
			fprintf(to, "\tt%zu_%llu [shape=ellipse, label=\"", s, (unsigned long long)a->thread);
			graph_put_text(to, names_thread(n, f->section, a->thread, false));
			fprintf(to, "\"];\n\tt%zu_%llu -> r%u [label=\"%s\\n", s, (unsigned long long)a->thread, x->index,
				a->access.write ? "writes" : "reads");
			graph_put_text(to, names_site(n, f->section, a->stack));
			fputs(a->nr_holds ? "\"];\n" : "\\nno lock\"];\n", to);
			for (unsigned h = 0; h < a->nr_holds; h++) {
				fprintf(to, "\tn%u -> r%u [style=dotted, arrowhead=none, label=\"held by ",
					graph_node_of(g, f->section, a->holds[h].lock, g->classes)->index, x->index);
				graph_put_text(to, names_thread(n, f->section, a->thread, false));
				fputs("\"];\n", to);
			}
		}
		if (f->usual.all)
			fprintf(to, "\tn%u -> r%u [style=bold, arrowhead=none, color=darkgreen, label=\"usually guards it\\nheld in %llu of %llu %s\"];\n",
				graph_node_of(g, f->section, f->usual.lock, g->classes)->index, x->index, (unsigned long long)f->usual.held,
				(unsigned long long)f->usual.all, f->kind == KIND_UNGUARDED_WRITE ? "writes" : "accesses");
	}
}
