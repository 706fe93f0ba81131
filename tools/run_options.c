#include "run_options.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "mem.h"
#include "wire/journal.h"

enum { KEY_KEEP = 1000, KEY_FORCE, KEY_ROWS = 2000 };

static const struct argp_option own[] = {
	{ "keep", KEY_KEEP, NULL, 0, "Keep the journals and say where they are", 1 },
	{ "force", KEY_FORCE, NULL, 0, "Start the program even if it cannot be watched", 1 },
};
#define NR_OWN (sizeof own / sizeof *own)

static const char doc[] = "Runs a program, reports what snarl finds in it and its children, and sums up at the end."
			  "\vExit status: 66 when there are findings at or above fail_on (or exitcode=N), else the "
			  "program's own; 125 snarl's own "
			  "trouble, 126 not executable, 127 not found, 128+N killed by signal N.";

static void fail(const char *text)
{
	cmd_complain("%s", text);
	exit(STATUS_TROUBLE);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct run_options *r = state->input;
	char err[512];
	switch (key) {
	case KEY_KEEP:
		r->keep = true;
		return 0;
	case KEY_FORCE:
		r->force = true;
		return 0;
	case ARGP_KEY_ARGS:
		r->argv = state->argv + state->next;
		return 0;
	case ARGP_KEY_NO_ARGS:
		fail("run: which program? snarl run [options] [--] program args...");
		return 0;
	default:
		if (key < KEY_ROWS || (size_t)(key - KEY_ROWS) >= nr_options)
			return ARGP_ERR_UNKNOWN;
		const char *name = option_rows[key - KEY_ROWS].name;
		if (options_set(&r->o, name, strlen(name), arg, arg ? strlen(arg) : 0, err, sizeof err) != 0)
			fail(err);
		return 0;
	}
}

/* Dashes where the rows have underscores, and the row's own spelling beside it. */
static struct argp_option *table(struct mem *m)
{
	struct argp_option *t = mem_take(m, (2 * nr_options + NR_OWN + 1) * sizeof *t);
	size_t n = 0;
	for (size_t i = 0; i < nr_options; i++) {
		const struct option_row *row = &option_rows[i];
		if (strcmp(row->name, "help") == 0)
			continue;
		char *dashed = mem_copy(m, row->name, strlen(row->name));
		for (char *p = dashed; *p; p++)
			if (*p == '_')
				*p = '-';
		t[n++] = (struct argp_option){ dashed,
					       KEY_ROWS + (int)i,
					       row->is_bool ? "on|off" : row->arg,
					       row->is_bool ? OPTION_ARG_OPTIONAL : 0,
					       row->help,
					       0 };
		if (strcmp(dashed, row->name) != 0)
			t[n++] = (struct argp_option){ row->name, KEY_ROWS + (int)i,
						       NULL,      OPTION_ALIAS | OPTION_HIDDEN,
						       NULL,      0 };
	}
	memcpy(t + n, own, sizeof own);
	return t;
}

/* argp would not name the nearest option, and would take a beginning for the whole. */
static void check_flags(int argc, char **argv)
{
	for (int i = 1; i < argc && argv[i][0] == '-' && argv[i][1] == '-' && argv[i][2]; i++) {
		const char *name = argv[i] + 2, *near = NULL;
		size_t len = strcspn(name, "=");
		bool known = false;
		for (size_t k = 0; k < NR_OWN; k++)
			known |= strlen(own[k].name) == len && strncmp(own[k].name, name, len) == 0;
		static const char *const argps[] = { "help", "usage", "version" };
		for (size_t k = 0; k < sizeof argps / sizeof *argps; k++)
			known |= strlen(argps[k]) == len && strncmp(argps[k], name, len) == 0;
		if (known)
			continue;
		int row = options_find(name, len, &near);
		if (row < 0) {
			cmd_complain("unknown option '--%.*s'%s%s%s; snarl run --help lists them all",
				     (int)(len < 60 ? len : 60), name, near ? " (did you mean '--" : "",
				     near ? near : "", near ? "'?)" : "");
			exit(STATUS_TROUBLE);
		}
		if (!name[len] && !option_rows[row].is_bool)
			i++; /* its value */
	}
}

bool run_options_given(const struct options *o, const char *name)
{
	int row = options_find(name, strlen(name), NULL);
	return row >= 0 && o->given >> row & 1;
}

void run_options_parse(struct run_options *r, int argc, char **argv)
{
	const char *env = getenv(ENV_OPTIONS);
	char err[512], name[] = "snarl run";
	memset(r, 0, sizeof *r);
	options_default(&r->o);
	if (env && options_parse(&r->o, env, err, sizeof err) != 0) {
		cmd_complain("%s: %s", ENV_OPTIONS, err);
		exit(STATUS_TROUBLE);
	}
	struct mem mem = { 0 };
	const struct argp argp = { table(&mem), parse, "PROGRAM [ARGUMENT...]", doc, NULL, NULL, NULL };
	check_flags(argc, argv);
	argv[0] = name;
	argp_err_exit_status = STATUS_TROUBLE;
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, r))
		exit(STATUS_TROUBLE);
	mem_free(&mem);
	for (size_t i = 0; i < nr_options; i++)
		if (r->o.given >> i & 1 && !option_rows[i].built)
			cmd_complain("option '%s' is understood but without effect in this version",
				     option_rows[i].name);
}

/* ---- for the processes ------------------------------------------------------------------------------------------- */

static const char *const races_words[] = { "hb", "hybrid", "off" };
static const char *const deadlock_words[] = { "report", "exit", "abort" };

static const char *text_of(const struct options *o, size_t row, char *buf, size_t cap)
{
	size_t i = 0;
#define TEXT_STRING(f)        return o->f;
#define TEXT_BOOL(f)          return o->f ? "on" : "off";
#define TEXT_INT(f)           return snprintf(buf, cap, "%ld", o->f), buf;
#define TEXT_SIZE(f)          return snprintf(buf, cap, "%zu", o->f), buf;
#define TEXT_ENUM_RACES(f)    return races_words[o->f];
#define TEXT_ENUM_DEADLOCK(f) return deadlock_words[o->f];
#define TEXT_ENUM_GRADE(f)    return grade_slugs[o->f];
#define OPTION(field, name, type, def, built, arg, help) \
	if (i++ == row)                                  \
	TEXT_##type(field)
#include "wire/options.def"
#undef OPTION
	return NULL;
}

/* What is done here once for the whole tree is not left to its processes. */
static bool ours(const char *name)
{
	static const char *const names[] = { "journal", "graph", "log",     "exitcode", "suppressions", "baseline",
					     "fail_on", "quiet", "verbose", "help",     "deadlock" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static bool add(char *out, size_t cap, size_t *len, const char *name, int row, const char *value)
{
	int n = snprintf(out + *len, cap - *len, "%s%s=", *len ? ":" : "", name);
	if (n < 0 || (size_t)n >= cap - *len)
		return false;
	*len += (size_t)n;
	size_t k = options_escape_row(out + *len, cap - *len, row, value);
	*len += k;
	return k > 0;
}

bool run_options_for_target(const struct options *o, const char *journal, char *out, size_t cap)
{
	size_t len = 0;
	char buf[32];
	if (!add(out, cap, &len, "journal", options_find("journal", 7, NULL), journal) ||
	    !add(out, cap, &len, "deadlock", options_find("deadlock", 8, NULL),
		 run_options_given(o, "deadlock") ? deadlock_words[o->deadlock] : "exit") ||
	    !add(out, cap, &len, "quiet", options_find("quiet", 5, NULL), "on"))
		return false;
	for (size_t i = 0; i < nr_options; i++) {
		const char *value =
		    o->given >> i & 1 && !ours(option_rows[i].name) ? text_of(o, i, buf, sizeof buf) : NULL;
		if (value && !add(out, cap, &len, option_rows[i].name, (int)i, value))
			return false;
	}
	return true;
}
