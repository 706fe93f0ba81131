/*
 * patched.h - The modules whose code has been patched, and where each of their instructions is now.
 *
 * Readers take no lock and may be signal handlers; entries are added and emptied, never moved. What was dropped is given back
 * when nobody reads: whoever looks up anything here does so between patched_enter and patched_leave, but for who adds and drops,
 * which is one thread at a time.
 */
#ifndef SNARL_WATCH_PATCHED_H
#define SNARL_WATCH_PATCHED_H

#include "core/module.h"
#include "watch/plan.h"

struct patched {
	const struct module *module;
	uintptr_t arena, arena_hi;
	uintptr_t text_lo, text_hi;
	struct plan plan;
	bool only_sync; /* outside.h */
	_Atomic bool gone;
	_Atomic bool undone; /* undo.h: every window may be a trap */
};

/* Async-signal-safe; may be nested. A thread that jumps out in between keeps what is dropped from being given back, no more. */
void patched_enter(void);
void patched_leave(void);
void patched_fork_child(void);

/* Takes the plan over. NULL: too many, or no memory. */
struct patched *patched_add(const struct module *m, uintptr_t arena, size_t bytes, uintptr_t text_lo, uintptr_t text_hi,
			    const struct plan *plan);
/* Its module was unloaded, or not patched after all: nothing runs there any more. Gives its trampolines back. */
void patched_drop(struct patched *c);
uint32_t patched_count(void);
struct patched *patched_by_index(uint32_t i); /* NULL: dropped */

/* Whose arena is this address in? NULL: none's. */
const struct patched *patched_find(uintptr_t ip);

/* ip is in the arena. If it is in a check: where the slow path of it begins; else 0. */
uintptr_t patched_stub_of(const struct patched *c, uintptr_t ip);
/* ip is in the arena: the place in the program where it stands before or in an instruction; 0: nowhere. *below: by how much
 * its stack pointer is below the program's there: 0; 8 within a call; in a stub 128, 136 (%rdi has been pushed) or 144 (%rsi as well). */
uintptr_t patched_place(const struct patched *c, uintptr_t ip, unsigned *below);

/* ip is an address of the program: where the instruction there is now if a patch has covered it, else 0. */
uintptr_t patched_moved(uintptr_t ip);
/* The program's bytes from ip on as they were, up to cap, within its text; returns how many. 0: not in patched text. */
size_t patched_original(uintptr_t ip, uint8_t *out, size_t cap);
/* A trap at this address (of the int3 itself) of the program: where to go on; 0: not ours. */
uintptr_t patched_trap(uintptr_t ip);
/* Takes a trap away for good: its access is watched no longer. Other threads may be running there. False: the byte could not be
 * written. */
bool patched_untrap(uintptr_t ip);

#endif
