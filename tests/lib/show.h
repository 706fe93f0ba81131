/*
 * show.h - Prints what a call returned and what became of errno, in a way that two runs can be compared by diff.
 *
 * errno is 77 before each call, so that a call which should leave it alone and does not is seen.
 */
#ifndef TESTS_SHOW_H
#define TESTS_SHOW_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "basics.h"
#include "invisible.h"

/* Lines of threads that run at the same time come in any order: each thread names its own track, and the comparison
 * sorts by it first. */
static __thread const char *track = "main";

/* Unbuffered and in one piece: the program may fork, exec or be killed in the next call. Not by write(), which is a
 * cancellation point: a pending request has to wait for the call that is looked at. */
static inline void show_text(const char *line, int n)
{
	if (invisible_syscall6(SYS_write, 1, (long)line, n, 0, 0, 0) != n)
		_exit(TEST_BROKEN);
}

static inline void show(const char *what, long result, int err)
{
	char line[256];
	int n = snprintf(line, sizeof(line), "%s: %-72s = %ld, errno %d\n", track, what, result, err);

	show_text(line, n);
}

#define SHOW(call)                                      \
	do {                                            \
		long show_result_;                      \
		int show_errno_;                        \
		errno = 77;                             \
		show_result_ = (long)(call);            \
		show_errno_ = errno;                    \
		show(#call, show_result_, show_errno_); \
	} while (0)

/* The same for a call whose arguments would not be the same text: a name instead. */
#define SHOW_AS(name, call)                            \
	do {                                           \
		long show_result_;                     \
		int show_errno_;                       \
		errno = 77;                            \
		show_result_ = (long)(call);           \
		show_errno_ = errno;                   \
		show(name, show_result_, show_errno_); \
	} while (0)

static inline void say(const char *text)
{
	char line[256];
	int n = snprintf(line, sizeof(line), "%s: %s\n", track, text);

	show_text(line, n);
}

/* Runs f in a thread of its own and waits for it; what f finds busy is held by the caller. */
static inline void in_other(void *(*f)(void *))
{
	finish(start(f));
}

/* Sends `sig` to a thread every 2 ms until *done, then returns. For calls that a signal interrupts, or must not. */
struct pestered {
	pthread_t thread;
	int sig;
	int max; /* stop after so many */
	int done;
};

static inline void *pester(void *arg)
{
	struct pestered *p = arg;

	for (int i = 0; i < p->max && !__atomic_load_n(&p->done, __ATOMIC_SEQ_CST); i++) {
		pthread_kill(p->thread, p->sig);
		invisible_sleep_ms(2);
	}
	return NULL;
}

#endif
