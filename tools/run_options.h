/*
 * run_options.h - The command line of `snarl run`: every option of wire/options.def as a flag, and a few of its own.
 */
#ifndef SNARL_TOOLS_RUN_OPTIONS_H
#define SNARL_TOOLS_RUN_OPTIONS_H

#include "wire/options.h"

struct run_options {
	struct options o; /* SNARL_OPTIONS of the environment, then the flags */
	bool keep, force;
	char **argv; /* of the program */
};

/* Exits with 125 and a clear sentence when something is wrong. */
void run_options_parse(struct run_options *r, int argc, char **argv);

/* Was it given? */
bool run_options_given(const struct options *o, const char *name);

/* What the program's processes are to be given as SNARL_OPTIONS; false when it is too long. */
bool run_options_for_target(const struct options *o, const char *journal, char *out, size_t cap);

#endif
