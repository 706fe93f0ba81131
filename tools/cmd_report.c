/* cmd_report.c - snarl report: journals as text or JSON, at once or as they are written. */
#include <argp.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "baseline.h"
#include "cmd.h"
#include "reader.h"
#include "report.h"
#include "wire/journal.h"

struct arguments {
	bool follow, json, verbose;
	enum grade fail_on;
	const char *baseline;
	const char *suppressions[64];
	size_t nr_suppressions;
	char **files;
	int nr_files;
};

enum { KEY_FORMAT = 1000, KEY_SUPPRESSIONS, KEY_BASELINE, KEY_FAIL_ON };

static const struct argp_option options[] = {
	{ "follow", 'f', NULL, 0, "Read records from standard input and report each finding as it comes", 0 },
	{ "format", KEY_FORMAT, "text|json", 0, "What to write (default: text)", 0 },
	{ "suppressions", KEY_SUPPRESSIONS, "PATH,..", 0, "Files of findings not to report (own, TSan's or Valgrind's)",
	  0 },
	{ "baseline", KEY_BASELINE, "FILE", 0,
	  "Findings that are known: a report of --format=json, or a journal. They are counted, and neither shown nor failing", 0 },
	{ "fail-on", KEY_FAIL_ON, "GRADE", 0,
	  "Weakest grade that makes the exit status 1: confirmed, feasible, possible, advice", 0 },
	{ "fail_on", KEY_FAIL_ON, "GRADE", OPTION_ALIAS | OPTION_HIDDEN, NULL, 0 },
	{ "verbose", 'v', NULL, 0, "Show advice in full, every frame, whole paths, unused suppressions", 0 },
	{ 0 },
};

static const char doc[] =
    "Reports what is in journals."
    "\vExit status: 0 nothing, 1 findings, 2 usage, 3 a journal is damaged (what can be read is reported).";

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;
	switch (key) {
	case 'f':
		a->follow = true;
		break;
	case 'v':
		a->verbose = true;
		break;
	case KEY_FORMAT:
		if (strcmp(arg, "text") != 0 && strcmp(arg, "json") != 0)
			argp_error(state, "--format wants text or json, not '%s'", arg);
		a->json = strcmp(arg, "json") == 0;
		break;
	case KEY_SUPPRESSIONS:
		if (a->nr_suppressions == sizeof a->suppressions / sizeof *a->suppressions)
			argp_error(state, "too many --suppressions");
		else
			a->suppressions[a->nr_suppressions++] = arg;
		break;
	case KEY_BASELINE:
		a->baseline = arg;
		break;
	case KEY_FAIL_ON:
		if (grade_find(arg) < 0)
			argp_error(state, "--fail-on wants confirmed, feasible, possible or advice, not '%s'", arg);
		a->fail_on = (enum grade)grade_find(arg);
		break;
	case ARGP_KEY_ARGS:
		a->files = state->argv + state->next;
		a->nr_files = state->argc - state->next;
		break;
	case ARGP_KEY_END:
		if (a->follow && a->nr_files)
			argp_error(state, "--follow reads standard input; leave the file names out");
		if (!a->follow && !a->nr_files)
			argp_error(state, "which journals? give files, or a directory of them");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static void print_json(struct report *r, json_t *o, size_t flags)
{
	char *text = json_dumps(o, flags | JSON_ENSURE_ASCII * 0);
	json_decref(o);
	out_flush(&r->out);
	if (text && write(r->out.fd, text, strlen(text)) >= 0 && write(r->out.fd, "\n", 1) < 0)
		r->verbose = false;
	free(text);
}

static void show_text(struct report *r, const struct fold *f)
{
	report_text_finding(r, f);
	out_flush(&r->out);
}

static void show_json(struct report *r, const struct fold *f)
{
	print_json(r, report_json_finding(r, f), JSON_COMPACT);
}

/* ---- follow ------------------------------------------------------------------------------------------------------ */

/* Our end of the socket stays open if a child of the program has inherited the other one: then the processes decide. */
static bool somebody_lives(const struct model *m)
{
	for (size_t i = 0; i < m->nr_sections; i++)
		if (m->sections[i]->pid && !(kill((pid_t)m->sections[i]->pid, 0) != 0 && errno == ESRCH))
			return true;
	return m->nr_sections == 0;
}

static void follow(struct report *r, const struct arguments *a)
{
	static char block[64 << 10];
	struct reader in;
	reader_init(&in, &r->model, "standard input", 0);
	for (;;) {
		struct pollfd p = { .fd = 0, .events = POLLIN };
		int ready = poll(&p, 1, report_waits(r) ? 50 : 2000);
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready == 0 && report_waits(r)) {
			report_new(r, a->json ? show_json : show_text, false);
			continue;
		}
		if (ready == 0 && somebody_lives(&r->model))
			continue;
		if (ready <= 0)
			break;
		ssize_t n = read(0, block, sizeof block);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			break;
		reader_feed(&in, block, (size_t)n);
		report_new(r, a->json ? show_json : show_text, false);
	}
	reader_finish(&in);
	report_new(r, a->json ? show_json : show_text, true);
	if (a->json)
		return;
	if (a->verbose) {
		summary_notes(r);
		summary_text(r, &(struct summary_hints){ 0 });
	} else {
		/* What was lost is said in any case; the rest would only disturb. */
		r->suppressions.nr = 0;
		r->model.nr_damages = 0;
		summary_notes(r);
	}
	out_flush(&r->out);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static bool read_all(struct report *r, const struct arguments *a)
{
	for (int i = 0; i < a->nr_files; i++) {
		if (reader_path(&r->model, a->files[i]))
			continue;
		if (errno == ENODATA)
			cmd_complain("%s: no journal (*.jsonl, *.journal) in this directory", a->files[i]);
		else
			cmd_complain("%s: %s", a->files[i], strerror(errno));
		return false;
	}
	return true;
}

static int report_files(struct report *r, const struct arguments *a)
{
	if (!read_all(r, a))
		return REPORT_USAGE;
	report_new(r, a->json ? NULL : show_text, true);
	if (a->json) {
		print_json(r, report_json(r), JSON_INDENT(2));
	} else {
		summary_notes(r);
		summary_text(r, &(struct summary_hints){ 0 });
		out_flush(&r->out);
	}
	struct report_counts c;
	report_count(r, &c);
	return r->model.nr_damages ? REPORT_DAMAGED : c.failing ? REPORT_FINDINGS : REPORT_NOTHING;
}

int cmd_report(int argc, char **argv)
{
	static const struct argp argp = { options, parse, "FILE...|DIRECTORY", doc, NULL, NULL, NULL };
	struct arguments a = { .fail_on = GRADE_POSSIBLE };
	char name[] = "snarl report", err[512];
	argv[0] = name;
	if (argp_parse(&argp, argc, argv, 0, NULL, &a))
		return REPORT_USAGE;
	struct report r;
	report_init(&r, a.follow && cmd_no_stdout ? 2 : 1, a.verbose);
	r.fail_on = a.fail_on;
	int status = REPORT_NOTHING;
	for (size_t i = 0; i < a.nr_suppressions && status == REPORT_NOTHING; i++)
		if (!suppressions_load_list(&r.suppressions, a.suppressions[i], err, sizeof err)) {
			cmd_complain("%s", err);
			status = REPORT_USAGE;
		}
	if (a.baseline && status == REPORT_NOTHING && !baseline_load(&r, a.baseline, err, sizeof err)) {
		cmd_complain("%s", err);
		status = REPORT_USAGE;
	}
	signal(SIGPIPE, SIG_IGN);
	if (a.follow) {
		/* Ctrl-C is for the program; its report is to outlive it. A wrong suppression must not cost the report
		 * either. */
		signal(SIGINT, SIG_IGN);
		signal(SIGQUIT, SIG_IGN);
		signal(SIGHUP, SIG_IGN);
		follow(&r, &a);
		status = REPORT_NOTHING;
	} else if (status == REPORT_NOTHING) {
		status = report_files(&r, &a);
	}
	report_free(&r);
	return status;
}
