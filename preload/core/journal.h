/*
 * journal.h - Where lines go: a crash-safe file, and the reporter's socket.
 *
 * The file is pre-sized and mapped shared, its descriptor closed at once (descriptors are the program's: it may close
 * ours and reuse the number). A line is reserved atomically, copied, and committed by its first byte, so a target killed
 * with SIGKILL loses at most the line it was writing. Blocks are allocated before they are mapped (a hole on a
 * full disk would be a SIGBUS); a file size limit is looked at before growing (SIGXFSZ). What does not fit is counted.
 */
#ifndef SNARL_CORE_JOURNAL_H
#define SNARL_CORE_JOURNAL_H

#include "base/compiler.h"

/* Opens (creating it 0600, never through a symlink; appending after what is there) and maps. An existing journal whose
 * last header names another living process is left alone and PATH.PID is used instead.
 * Returns NULL, or one sentence naming path, error and remedy (in a static buffer); the journal is then without a file. */
const char *journal_open(const char *path);

/* Lines also go to this socket from now on (-1: none). Sent with MSG_NOSIGNAL; a dead or stuck peer (2 s) is dropped and counted.
 * The number is verified by (st_dev, st_ino) before each use. The descriptor is moved high and made close-on-exec. */
void journal_tee(int fd);

bool journal_has_file(void);
bool journal_has_socket(void);
const char *journal_path(void);

/* One whole line, its '\n' included. Lock-free but for window changes. Any thread. False when it was lost (counted). */
bool journal_line(const char *line, size_t len);

uint64_t journal_lost(void); /* lines */

/* Makes sure of room for `bytes` more now. Growing needs the path: to be called before the program gives up what reaches it
 * (chroot, setuid, a sandbox). False when there is no room. */
bool journal_ahead(size_t bytes);

/* Cuts the unused tail off. After it, lines are still accepted (the file grows again). */
void journal_trim(void);
/* Trims and closes the socket side (the reporter then sees the end). */
void journal_close(void);

/* In a forked child: drops the parent's windows and socket; the caller opens its own journal afterwards. */
void journal_fork_child(void);

#endif
