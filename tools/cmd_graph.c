/* cmd_graph.c - snarl graph: the lock-order graph of journals as DOT, or two of its locks explained. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "graph.h"
#include "reader.h"

struct arguments {
	struct graph_view view;
	const char *explain[2], *output;
	char **files;
	int nr_files;
};

enum { KEY_CYCLES = 1000, KEY_AROUND, KEY_HOPS, KEY_CLASSES, KEY_EXPLAIN };

static const struct argp_option options[] = {
	{ "cycles", KEY_CYCLES, NULL, 0, "Only locks and edges that lie on a cycle", 0 },
	{ "around", KEY_AROUND, "LOCK", 0, "Only the neighbourhood of a lock: its name, address or id", 0 },
	{ "hops", KEY_HOPS, "N", 0, "How far --around goes (default 1)", 0 },
	{ "classes", KEY_CLASSES, NULL, 0, "One node for all locks made at the same place, over all processes", 0 },
	{ "explain", KEY_EXPLAIN, "A", 0,
	  "With a second lock B: say which rule silences A -> B with B -> A (--explain A B FILE...)", 0 },
	{ "output", 'o', "FILE", 0, "Write there instead of standard output", 0 },
	{ 0 },
};

static const char doc[] =
    "Writes the lock-order graph of journals in DOT: snarl graph FILE... | dot -Tsvg > locks.svg"
    "\vEdges on a cycle are red and bold; an edge that is always under one more lock (a gate) is dashed.\n"
    "Exit status: 0, 2 usage, 3 a journal is damaged (what can be read is drawn).";

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;
	char *end;
	switch (key) {
	case KEY_CYCLES:
		a->view.cycles = true;
		break;
	case KEY_AROUND:
		a->view.around = arg;
		break;
	case KEY_HOPS:
		errno = 0;
		a->view.hops = (unsigned)strtoul(arg, &end, 10);
		if (*end || end == arg || errno || arg[0] == '-')
			argp_error(state, "--hops wants a number, not '%s'", arg);
		break;
	case KEY_CLASSES:
		a->view.classes = true;
		break;
	case KEY_EXPLAIN:
		if (state->next >= state->argc)
			argp_error(state, "--explain wants two locks: --explain A B");
		a->explain[0] = arg;
		a->explain[1] = state->argv[state->next++];
		break;
	case 'o':
		a->output = arg;
		break;
	case ARGP_KEY_ARGS:
		a->files = state->argv + state->next;
		a->nr_files = state->argc - state->next;
		break;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which journals? give files, or a directory of them");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static int draw(struct report *r, const struct arguments *a)
{
	FILE *to = a->output ? fopen(a->output, "we") : stdout;
	struct graph g;
	if (!to) {
		cmd_complain("%s: %s", a->output, strerror(errno));
		return REPORT_USAGE;
	}
	graph_build(&g, r, a->view.classes);
	int status = 0;
	if (!graph_dot(&g, &a->view, to)) {
		cmd_complain("--around: no lock is called '%s'", a->view.around);
		status = REPORT_USAGE;
	}
	graph_free(&g);
	bool bad = ferror(to) != 0;
	if ((to == stdout ? fflush(to) : fclose(to)) != 0 || bad) {
		cmd_complain("%s: %s", a->output ? a->output : "standard output", strerror(errno));
		status = REPORT_USAGE;
	}
	return status;
}

int cmd_graph(int argc, char **argv)
{
	/* In order: --explain takes the word after its own, which argp would otherwise move behind the options. */
	static const struct argp argp = { options, parse, "FILE...|DIRECTORY", doc, NULL, NULL, NULL };
	struct arguments a = { .view.hops = 1 };
	char name[] = "snarl graph";
	argv[0] = name;
	if (argp_parse(&argp, argc, argv, 0, NULL, &a))
		return REPORT_USAGE;
	struct report r;
	report_init(&r, 1, false);
	int status = 0;
	for (int i = 0; i < a.nr_files && !status; i++)
		if (!reader_path(&r.model, a.files[i])) {
			cmd_complain("%s: %s", a.files[i],
				     errno == ENODATA ? "no journal (*.jsonl, *.journal) in this directory"
						      : strerror(errno));
			status = REPORT_USAGE;
		}
	if (!status && a.explain[0]) {
		if (!graph_explain(&r, a.explain[0], a.explain[1], &r.out))
			status = REPORT_USAGE;
		r.out.fd = status ? 2 : 1;
		out_flush(&r.out);
	} else if (!status) {
		status = draw(&r, &a);
	}
	for (size_t i = 0; i < r.model.nr_damages && i < 10; i++)
		cmd_complain("damaged: %s, byte %llu: %s", r.model.damages[i].file,
			     (unsigned long long)r.model.damages[i].offset, r.model.damages[i].reason);
	if (!status && r.model.nr_damages)
		status = REPORT_DAMAGED;
	report_free(&r);
	return status;
}
