/*
 * journal_file.h - The journal's file: found, claimed, extended. journal.c decides when.
 *
 * No descriptor outlives a step: each function that gives one out expects it back with SYS_close at once.
 * errors: a negative errno. locks: none; one thread at a time (journal.c's lock, or the start).
 */
#ifndef SNARL_CORE_JOURNAL_FILE_H
#define SNARL_CORE_JOURNAL_FILE_H

#include "base/compiler.h"

#define JOURNAL_PATH_BYTES 4096

struct journal_file {
	char path[JOURNAL_PATH_BYTES]; /* absolute: the program may chdir */
	uint64_t dev, ino;
};

/*
 * Opens or creates `path` and takes an exclusive flock, which the first mapping of the returned descriptor keeps alive:
 * the kernel lets go of it when the process is gone, however it ended. When another process lives by this file (it has
 * the flock, or is named by the last header), path.PID is taken instead.
 */
int journal_file_claim(struct journal_file *f, const char *path);

/* The same file again, or -ESTALE when the path leads to another one by now. */
int journal_file_reopen(const struct journal_file *f);

/* Bytes before the NULs at the end, and whether the last line there is torn (has no newline). Negative on error. */
long journal_file_end(int fd, bool *torn);

long journal_file_size(int fd);

/* Gives the bytes from..to real blocks, so that storing to them cannot fail. Never raises SIGXFSZ. */
int journal_file_extend(int fd, uint64_t from, uint64_t to);

#endif
