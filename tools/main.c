/* main.c - The snarl command. */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "wire/journal.h"
#include "wire/kinds.h"

static const struct {
	const char *name;
	int (*run)(int, char **);
} commands[] = { { "run", cmd_run }, { "report", cmd_report }, { "graph", cmd_graph } };
#define NR_COMMANDS (sizeof commands / sizeof *commands)

bool cmd_no_stdout;

void cmd_complain(const char *format, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	fprintf(stderr, "snarl: %s\n", text);
}

bool cmd_library(char *out, size_t cap)
{
	char self[PATH_MAX], path[PATH_MAX + 64];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (n <= 0) {
		snprintf(out, cap, "/proc/self/exe cannot be read");
		return false;
	}
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	static const char *const places[] = { "libsnarl.so", "../lib/snarl/libsnarl.so" };
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		char real[PATH_MAX];
		snprintf(path, sizeof path, "%s/%s", self, places[i]);
		if (realpath(path, real)) {
			snprintf(out, cap, "%s", real);
			return true;
		}
	}
	snprintf(out, cap, "libsnarl.so is neither in %s nor in %s/../lib/snarl", self, self);
	return false;
}

static unsigned distance(const char *a, const char *b)
{
	unsigned row[32];
	size_t n = strlen(b);
	for (size_t j = 0; j <= n; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; *a && i < 30; i++, a++) {
		unsigned corner = row[0];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= n; j++) {
			unsigned best = corner + (*a != b[j - 1]);
			corner = row[j];
			best = best < row[j] + 1 ? best : row[j] + 1;
			row[j] = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
		}
	}
	return row[n];
}

static const char *nearest(const char *word)
{
	const char *best = commands[0].name;
	for (size_t i = 1; i < NR_COMMANDS; i++)
		if (distance(word, commands[i].name) < distance(word, best))
			best = commands[i].name;
	return best;
}

enum { KEY_PRELOAD_PATH = 1000, KEY_KINDS };

static const struct argp_option options[] = {
	{ "preload-path", KEY_PRELOAD_PATH, NULL, 0, "Print where libsnarl.so is, for LD_PRELOAD", 0 },
	{ "kinds", KEY_KINDS, NULL, 0, "List the kinds of findings, their grades and titles", 0 },
	{ 0 },
};

static const char doc[] = "Finds deadlocks in unmodified programs."
			  "\v  snarl run [options] [--] program args...   run it and report what is found\n"
			  "  snarl report FILE...|DIRECTORY             read journals\n"
			  "  snarl graph FILE... | dot -Tsvg            the lock-order graph\n\n"
			  "snarl COMMAND --help says more about each.";

static error_t parse(int key, char *arg, struct argp_state *state)
{
	char path[PATH_MAX + 128];
	switch (key) {
	case KEY_PRELOAD_PATH:
		if (!cmd_library(path, sizeof path)) {
			cmd_complain("%s", path);
			exit(STATUS_TROUBLE);
		}
		puts(path);
		exit(0);
	case KEY_KINDS:
		for (int k = 0; k < NR_KINDS; k++)
			printf("%-18s %-10s %s\n", kind_facts[k].slug, grade_slugs[kind_facts[k].grade],
			       kind_facts[k].title);
		exit(0);
	case ARGP_KEY_ARG:
		for (size_t i = 0; i < NR_COMMANDS; i++)
			if (strcmp(arg, commands[i].name) == 0)
				exit(commands[i].run(state->argc - state->next + 1, state->argv + state->next - 1));
		cmd_complain(
		    "'%s' is not a command (did you mean '%s'?); there are run, report and graph: see snarl --help",
		    arg, nearest(arg));
		exit(REPORT_USAGE);
	case ARGP_KEY_NO_ARGS:
		cmd_complain("which command? run, report or graph: see snarl --help");
		exit(REPORT_USAGE);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* A closed descriptor 0, 1 or 2 would be given to the first file opened, and written to. */
static void fill_descriptors(void)
{
	struct stat st;
	cmd_no_stdout = fcntl(1, F_GETFD) < 0;
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) != fd)
			_exit(STATUS_TROUBLE);
	if (fstat(1, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == 0x103)
		cmd_no_stdout = true;
}

int main(int argc, char **argv)
{
	static const struct argp argp = { options, parse, "COMMAND [ARGUMENT...]", doc, NULL, NULL, NULL };
	fill_descriptors();
	argp_program_version = "snarl " SNARL_VERSION;
	argp_err_exit_status = REPORT_USAGE;
	return argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, NULL) ? REPORT_USAGE : 0;
}
