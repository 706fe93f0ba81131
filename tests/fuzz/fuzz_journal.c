/*
 * Random journals: the reader takes the same from them in one piece and in many, and nothing that is made of a journal
 * (text, JSON, DOT, explanations) crashes, whatever ids dangle.
 */
/* clang-format off */
/* FUZZ: tools/mem.c tools/utf8.c tools/model.c tools/records.c tools/reader.c tools/trace.c tools/names.c tools/out.c tools/symbols.c tools/symbols_dwarf.c tools/symbols_data.c tools/suppressions.c tools/suppressions_match.c tools/suppressions_valgrind.c tools/report.c tools/report_text.c tools/report_ring.c tools/report_frames.c tools/report_json.c tools/summary.c tools/graph.c tools/graph_scc.c tools/graph_dot.c tools/graph_explain.c -ldw -lelf -ljansson -l:libiberty.a */
/* clang-format on */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"
#include "reader.h"
#include "report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond) ((cond) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond), abort()))

static void read_in_pieces(struct model *m, const char *text, size_t size, size_t piece)
{
	struct reader r;
	reader_init(&r, m, "fuzz", 0);
	for (size_t at = 0; at < size; at += piece)
		reader_feed(&r, text + at, size - at < piece ? size - at : piece);
	reader_finish(&r);
}

/* No file of this machine is to be opened because a random journal names it. */
static void forget_paths(struct model *m)
{
	for (size_t i = 0; i < m->nr_sections; i++) {
		struct module *x, *next;
		HASH_ITER (hh, m->sections[i]->modules, x, next) {
			x->path = "/nonexistent/module";
			x->build_id = NULL;
		}
	}
}

static void show(struct report *r, const struct fold *f)
{
	report_text_finding(r, f);
	json_decref(report_json_finding(r, f));
	MUST(*suppressions_line(&r->names, f->first));
	r->out.len = 0;
}

static void draw(struct report *r, const struct graph_view *v, FILE *to)
{
	struct graph g;
	graph_build(&g, r, v->classes);
	graph_dot(&g, v, to);
	graph_free(&g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *null;
	const char *text = (const char *)data;
	struct report r;
	struct model other;
	if (!null)
		null = fopen("/dev/null", "w");
	report_init(&r, fileno(null), size % 2);
	read_in_pieces(&r.model, text, size, size ? size : 1);
	model_init(&other);
	read_in_pieces(&other, text, size, 7);
	MUST(other.nr_sections == r.model.nr_sections);
	MUST(other.nr_findings == r.model.nr_findings);
	MUST(other.nr_damages == r.model.nr_damages);
	for (size_t i = 0; i < other.nr_damages; i++) {
		MUST(other.damages[i].offset == r.model.damages[i].offset);
		MUST(other.damages[i].offset <= size);
		MUST(strcmp(other.damages[i].reason, r.model.damages[i].reason) == 0);
	}
	model_free(&other);

	forget_paths(&r.model);
	report_new(&r, show);
	summary_notes(&r);
	summary_text(&r, &(struct summary_hints){ .child = 1 });
	json_t *all = report_json(&r);
	char *dump = json_dumps(all, JSON_COMPACT);
	MUST(dump);
	free(dump);
	json_decref(all);
	draw(&r, &(struct graph_view){ 0 }, null);
	draw(&r, &(struct graph_view){ .classes = true, .cycles = true }, null);
	draw(&r, &(struct graph_view){ .around = "1", .hops = 2 }, null);
	graph_explain(&r, "1", "2", &r.out);
	report_free(&r);
	return 0;
}
