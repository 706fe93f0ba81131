/*
 * masks.h - SIGSEGV, SIGBUS and SIGTRAP are kept out of every mask that the program sets, once code is patched: a check may fault
 * on its plane anywhere, a short window is a trap, and the kernel kills whoever faults with the signal blocked.
 *
 * What the program has blocked of them is kept here instead, read back as set, and honoured: sent by somebody such a signal stays
 * pending, as a fault it kills. What was sent to the thread is held for it; what was sent to the process only the kernel can keep, and
 * the signal is blocked for real then (a check of that thread that faults would kill; nobody has met that).
 */
#ifndef SNARL_BASE_MASKS_H
#define SNARL_BASE_MASKS_H

#include "base/compiler.h"

#define MASKS_FAULTS (1ull << (11 - 1) | 1ull << (7 - 1) | 1ull << (5 - 1)) /* SIGSEGV, SIGBUS, SIGTRAP */

struct masks {
	uint64_t blocked; /* of MASKS_FAULTS, by the program; first member: read by assembly */
	uint64_t really;  /* of these, those that are so for the kernel as well */
	uint64_t held;    /* sent to this thread, to be sent again when they are not blocked */
	uint64_t waits;   /* while waiting: under which mask */
	bool child;       /* a vfork child has set its mask: its parent sleeps */
	bool waiting;     /* in a call that waits under a mask: the kernel has the program's own */
};
extern __thread struct masks masks __attribute__((tls_model("initial-exec")));
extern bool masks_on;

/* Blocks for the kernel what the program has blocked, for a call in which none of its code runs; and ends that. */
void masks_real(void);
void masks_kept_out(void);
/* The calling thread has `kernel` as its mask, and virtually `blocked` besides: keeps the faults out of it. */
void masks_adopt(uint64_t kernel, uint64_t blocked);

/* A mask change of the program's: what to ask of the kernel in its place. False: as it is (off, or a vfork child, whose words these are
 * not). */
struct masks_step {
	uint64_t next, had;
};
bool masks_before(struct masks_step *s, int how, const uint64_t *set, uint64_t *ask);
void masks_after(const struct masks_step *s, bool done, uint64_t *old);

/* Around a call that waits under `mask`, or (sigwait) for signals that are blocked. False: nothing to do. */
bool masks_wait_begin(uint64_t mask);
void masks_wait_end(void);
/* The same for a call's mask argument, which may be NULL, and for a clean-up. */
bool masks_under(const void *mask);
void masks_waited(const bool *began);
#define MASKS_UNDER(mask) bool under_ __attribute__((cleanup(masks_waited), unused)) = unlikely(masks_on) && masks_under(mask)

void masks_start(void (*send_again)(uint64_t set));
/* Sends again what is held and need not be. */
void masks_let_go(void);
void masks_fork_child(void);

#endif
