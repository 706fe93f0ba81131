/* cmd_run.c - snarl run: the program under libsnarl.so, what is found said at once, one summary for all its processes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "baseline.h"
#include "cmd.h"
#include "elfcheck.h"
#include "graph.h"
#include "report.h"
#include "run_options.h"
#include "run_target.h"
#include "symbols_atomics.h"
#include "tails.h"
#include "wire/atomics.h"
#include "wire/journal.h"

#define POLL_MS     100
#define PATIENCE_MS 2000 /* for processes that outlive the program */
#define SILENT_MS   300  /* for those of which nothing has been heard */

extern char **environ;

struct run {
	struct run_options options;
	char library[PATH_MAX + 128], path[PATH_MAX], directory[PATH_MAX];
	const char *pattern; /* of the journals, absolute */
	const char *mark;    /* in the environment of all our processes */
	bool own_directory;
	struct report report;
	struct run_target target;
	struct tails tails;
};

static _Noreturn void trouble(int status, const char *text)
{
	cmd_complain("%s", text);
	exit(status);
}

/* ---- before ------------------------------------------------------------------------------------------------------ */

static void check_library(struct run *x)
{
	if (!cmd_library(x->library, sizeof x->library))
		trouble(STATUS_TROUBLE, x->library);
	/* ld.so takes both for the end of a name. */
	if (strpbrk(x->library, " :")) {
		cmd_complain(
		    "the path %s has a %s in it, and LD_PRELOAD cannot hold such a name: install snarl elsewhere",
		    x->library, strchr(x->library, ' ') ? "space" : "colon");
		exit(STATUS_TROUBLE);
	}
	if (access(x->library, R_OK) != 0) {
		cmd_complain("%s: %s", x->library, strerror(errno));
		exit(STATUS_TROUBLE);
	}
}

static void check_program(struct run *x)
{
	char why[3 * PATH_MAX];
	switch (elfcheck_program(x->options.argv[0], x->path, why, sizeof why)) {
	case ELFCHECK_FINE:
		return;
	case ELFCHECK_NOT_FOUND:
		trouble(STATUS_NOT_FOUND, why);
	case ELFCHECK_NOT_EXECUTABLE:
		trouble(STATUS_NOT_EXECUTABLE, why);
	case ELFCHECK_UNWATCHABLE:
		cmd_complain("%s", why);
		if (x->options.force)
			return;
		trouble(STATUS_TROUBLE, "not started (--force starts it all the same, unwatched)");
	}
}

static void choose_journals(struct run *x)
{
	struct mem *m = &x->report.model.mem;
	const char *given = x->options.o.journal;
	if (given) {
		char here[PATH_MAX];
		if (given[0] != '/' && !getcwd(here, sizeof here)) {
			cmd_complain("journal=%s: the current directory is unknown: %s", given, strerror(errno));
			exit(STATUS_TROUBLE);
		}
		x->pattern = given[0] == '/' ? given : mem_printf(m, "%s/%s", here, given);
		return;
	}
	const char *tmp = getenv("TMPDIR");
	int n = snprintf(x->directory, sizeof x->directory, "%s/snarl-XXXXXX", tmp && tmp[0] == '/' ? tmp : "/tmp");
	if (n >= (int)sizeof x->directory || !mkdtemp(x->directory)) {
		cmd_complain("cannot make a directory for journals in %s: %s", tmp && tmp[0] == '/' ? tmp : "/tmp",
			     strerror(errno));
		exit(STATUS_TROUBLE);
	}
	x->own_directory = true;
	char *doubled = mem_take(m, 2 * strlen(x->directory) + 1), *to = doubled;
	for (const char *p = x->directory; *p; p++) {
		if (*p == '%')
			*to++ = '%';
		*to++ = *p;
	}
	x->pattern = mem_printf(m, "%s/%%p.jsonl", doubled);
}

static long ms_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The environment with these in place of what they were. */
static void make_environment(struct run *x)
{
	struct mem *m = &x->report.model.mem;
	static char options[3 * OPTIONS_TEXT_BYTES], atomics[ATOMICS_TEXT];
	const char *preload = getenv("LD_PRELOAD");
	size_t n = 0, kept = 0;
	while (environ[n])
		n++;
	if (!run_options_for_target(&x->options.o, x->pattern, options, sizeof options))
		trouble(STATUS_TROUBLE, "the options are too long together");
	x->mark = mem_printf(m, ENV_RUN_ID "=%d.%ld", (int)getpid(), ms_now());
	x->target.env = mem_take(m, (n + 6) * sizeof *x->target.env);
	for (size_t i = 0; i < n; i++)
		if (strncmp(environ[i], "LD_PRELOAD=", 11) != 0 &&
		    strncmp(environ[i], ENV_OPTIONS "=", sizeof ENV_OPTIONS) != 0 &&
		    strncmp(environ[i], ENV_RUN "=", sizeof ENV_RUN) != 0 &&
		    strncmp(environ[i], ENV_ATOMICS "=", sizeof ENV_ATOMICS) != 0 &&
		    strncmp(environ[i], ENV_RUN_ID "=", sizeof ENV_RUN_ID) != 0)
			x->target.env[kept++] = environ[i];
	x->target.env[kept++] =
	    mem_printf(m, "LD_PRELOAD=%s%s%s", x->library, preload && *preload ? ":" : "", preload ? preload : "");
	x->target.env[kept++] = mem_printf(m, ENV_OPTIONS "=%s", options);
	x->target.env[kept++] = mem_printf(m, ENV_RUN "=%s", x->pattern);
	if (x->options.o.races != RACES_OFF && symbols_atomics(x->path, atomics, sizeof atomics))
		x->target.env[kept++] = mem_printf(m, ENV_ATOMICS "=%s", atomics);
	x->target.env[kept] = (char *)x->mark;
}

static void open_report(struct run *x)
{
	const struct options *o = &x->options.o;
	char err[1024];
	int fd = 2;
	if (o->log) {
		fd = open(o->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
		if (fd < 0) {
			cmd_complain("log=%s: %s", o->log, strerror(errno));
			exit(STATUS_TROUBLE);
		}
	} else if (o->quiet) {
		fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	}
	report_init(&x->report, fd, o->verbose);
	x->report.fail_on = o->fail_on;
	if (o->suppressions && !suppressions_load_list(&x->report.suppressions, o->suppressions, err, sizeof err))
		trouble(STATUS_TROUBLE, err);
	if (o->baseline && !baseline_load(&x->report, o->baseline, err, sizeof err))
		trouble(STATUS_TROUBLE, err);
}

/* ---- after ------------------------------------------------------------------------------------------------------- */

static void show(struct report *r, const struct fold *f)
{
	report_text_finding(r, f);
	out_flush(&r->out);
}

static void read_journals(struct run *x, bool at_end)
{
	tails_read(&x->tails, at_end);
	report_new(&x->report, show, at_end);
}

/* It holds journals and nothing else. */
static void remove_directory(const char *directory)
{
	DIR *d = opendir(directory);
	struct dirent *e;
	while (d && (e = readdir(d)))
		unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	rmdir(directory);
}

static void wait_for_tree(struct run *x)
{
	long start = ms_now();
	for (;;) {
		enum tails_open open = tails_open(&x->tails);
		if (open == TAILS_NONE || ms_now() - start > (open == TAILS_OPEN ? PATIENCE_MS : SILENT_MS))
			return;
		usleep(20000);
		read_journals(x, false);
	}
}

static void sum_up(struct run *x)
{
	struct report *r = &x->report;
	bool still_open = tails_open(&x->tails) == TAILS_OPEN;
	read_journals(x, true);
	summary_notes(r);
	summary_text(r, &(struct summary_hints){ .child = (uint64_t)x->target.pid });
	if (x->own_directory && (x->options.keep || still_open))
		out_put(&r->out, OUT_PLAIN, "snarl: the journals are in %s\n", x->directory);
	else if (x->own_directory)
		remove_directory(x->directory);
	else if (x->options.keep)
		out_put(&r->out, OUT_PLAIN, "snarl: the journals are %s\n", x->pattern);
	out_flush(&r->out);
	const char *graph = x->options.o.graph;
	if (graph && !graph_write(r, graph))
		cmd_complain("graph=%s: %s", graph, strerror(errno));
}

static int status_of(const struct run *x)
{
	const struct options *o = &x->options.o;
	struct report_counts c;
	report_count(&x->report, &c);
	int own = x->target.status;
	int code = WIFSIGNALED(own) ? 128 + WTERMSIG(own) : WEXITSTATUS(own);
	if (c.failing == 0)
		return code;
	if (run_options_given(o, "exitcode"))
		return o->exitcode ? (int)o->exitcode : code;
	return STATUS_FINDINGS;
}

int cmd_run(int argc, char **argv)
{
	static struct run x;
	run_options_parse(&x.options, argc, argv);
	check_program(&x);
	check_library(&x);
	open_report(&x);
	choose_journals(&x);
	make_environment(&x);
	tails_start(&x.tails, &x.report.model, x.pattern, x.mark, !x.own_directory);
	x.target.path = x.path;
	x.target.argv = x.options.argv;
	int err = run_target_start(&x.target);
	if (err) {
		cmd_complain("%s: %s", x.path, strerror(err));
		if (x.own_directory)
			remove_directory(x.directory);
		return err == ENOENT                     ? STATUS_NOT_FOUND
		       : err == EACCES || err == ENOEXEC ? STATUS_NOT_EXECUTABLE
							 : STATUS_TROUBLE;
	}
	signal(SIGPIPE, SIG_IGN);
	x.tails.child = x.target.pid;
	while (!run_target_wait(&x.target, POLL_MS))
		read_journals(&x, false);
	read_journals(&x, false);
	wait_for_tree(&x);
	sum_up(&x);
	int status = status_of(&x);
	tails_free(&x.tails);
	report_free(&x.report);
	return status;
}
