/*
 * run_target.h - The program of `snarl run`: started as it would be without us, and waited for.
 *
 * Same process group, session and terminal, the caller's signal mask and dispositions. What is sent to us alone (TERM,
 * HUP, USR1, USR2) is passed on; what a terminal sends (INT, QUIT) reaches the program by itself.
 */
#ifndef SNARL_TOOLS_RUN_TARGET_H
#define SNARL_TOOLS_RUN_TARGET_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/* What the caller's signals did before. */
struct run_before {
	sigset_t mask;
	struct sigaction interrupt, quit, child;
};

struct run_target {
	const char *path; /* of the file */
	char **argv;
	char **env;
	pid_t pid;
	int signals; /* signalfd */
	int status;  /* of waitpid, once it has ended */
	struct run_before before;
};

/* 0, or the errno of fork or exec. */
int run_target_start(struct run_target *t);
/* Sleeps up to `ms`, passing signals on. True when the program has ended: from then on signals mean ourselves, so that a
 * report that takes its time can be ended. */
bool run_target_wait(struct run_target *t, int ms);

#endif
