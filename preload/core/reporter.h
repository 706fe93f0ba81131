/*
 * reporter.h - The reporter child: `snarl report --follow` on a socket, for plain LD_PRELOAD use.
 *
 * The child must be invisible to the target: a raw clone with exit signal 0 makes an intermediate that never execs (execve
 * would reset the exit signal to SIGCHLD), which forks and execs the reporter, waits for it and exits. Every descriptor is
 * closed but the socket and a saved stderr; LD_PRELOAD and SNARL_* are dropped from its environment; it has its own session.
 */
#ifndef SNARL_CORE_REPORTER_H
#define SNARL_CORE_REPORTER_H

#include "base/compiler.h"

struct reporter_how {
	const char *command;   /* path of the snarl command */
	const char *const *argv; /* NULL-terminated, argv[0] included; the socket is descriptor 0 of the child */
	int err_fd;            /* becomes descriptor 1 and 2 of the child; -1: /dev/null */
};

/* Starts it and returns our end of the socketpair, or a negative errno. Async-signal-safe inside; no malloc. */
int reporter_start(const struct reporter_how *how);

/* Waits up to `timeout_ns` for the reporter to finish (after journal_close), then lets it be. */
void reporter_finish(uint64_t timeout_ns);

void reporter_fork_child(void);

/*
 * Stderr, saved: a close-on-exec duplicate of descriptor 2 above the usual numbers, with its (st_dev, st_ino).
 * notice_fd re-verifies it and returns it, or -1 when it is not ours any more (then opens `log` or nothing).
 */
void notice_save(void);
int notice_fd(void);
/* One line "snarl: …\n" to the saved stderr, unless quiet. No stdio. */
void notice(const char *text);
void notice_quiet(bool quiet);

#endif
