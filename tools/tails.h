/*
 * tails.h - The journals of a run, read while they are written.
 *
 * Journals are found by the pattern that the processes were given. What they held before the run is passed over, and
 * so are processes that write there but are not of this run (two runs may share a pattern).
 */
#ifndef SNARL_TOOLS_TAILS_H
#define SNARL_TOOLS_TAILS_H

#include <sys/types.h>

#include "reader.h"

struct tail;

struct tails {
	struct model *model;
	const char *glob;
	pid_t child;      /* the root of the run's processes, once it is there */
	const char *mark; /* NAME=value in the environment of them all */
	bool shared;      /* others may write where they do */
	struct tail *files;
	size_t nr_sections; /* whose membership is decided */
};

/* `pattern` is absolute, with %p and %e. Call before the program starts. */
void tails_start(struct tails *t, struct model *m, const char *pattern, const char *mark, bool shared);
/* Reads what is new. At the end everything, torn lines too. */
void tails_read(struct tails *t, bool at_end);
/* Does one of the run's processes still live that has not said its end; or at least one that has said nothing yet? */
enum tails_open { TAILS_NONE, TAILS_SILENT, TAILS_OPEN };
enum tails_open tails_open(const struct tails *t);
void tails_free(struct tails *t);

#endif
