/*
 * signals.h - The program's signal handlers, while some of its code runs from trampolines.
 *
 * Every handler is called through ours: it finds the interrupted address where the program put it, not in a trampoline;
 * the words that emitted code keeps registers in are kept for it; and it never runs inside the slow path, but just
 * after. A fault on a plane (an address outside the windows) is sent to the slow path; any other fault is the
 * program's.
 */
#ifndef SNARL_WATCH_SIGNALS_H
#define SNARL_WATCH_SIGNALS_H

#include "base/compiler.h"

struct sigaction;

/* Takes over the handlers that are there, and SIGSEGV and SIGBUS. Once, after the first code was patched. */
void signals_start(void);

/* As sigaction(2): what the program asks for and gets told. result: 0 or a negative errno. False: not ours to do. */
bool signals_action(int nr, const struct sigaction *act, struct sigaction *old, int *result);

/* Puts ours before libc's handler for cancellation, which unwinds from wherever the thread is. False: libc has none yet. */
bool signals_cancel(void);

/* No signal arrives between the two. */
uint64_t signals_block(void);
void signals_unblock(uint64_t had);

/* The calling thread is watched from now on. False: no memory. */
bool signals_thread(void);

/* Traps that were hit too often to stay. */
uint32_t signals_traps_taken_away(void);

/* Delivers what was queued while the calling thread was in the slow path. */
void signals_deliver_slow(void);

#endif
