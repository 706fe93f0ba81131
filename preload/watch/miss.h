/*
 * miss.h - What emitted code calls when its check does not settle an access.
 *
 * Three entries, called by stubs with rdi = address, rsi = struct watch_site, 128 bytes of red zone skipped and the
 * program's rdi and rsi pushed. They keep every register; flags are the stub's business. The usual case (the last
 * access there was this thread's own, or there was none) is settled on the program's stack with general registers only;
 * everything else on a stack of ours, because coroutines and signal stacks have but a few kilobytes, with the vector
 * registers saved.
 */
#ifndef SNARL_WATCH_MISS_H
#define SNARL_WATCH_MISS_H

#include "core/stack_at.h"
#include "core/thread.h"
#include "detect/race_stream.h"
#include "watch/plane.h"

void watch_entry_miss(void);
void watch_entry_sync(void);
void watch_entry_rep(void);

/* What a watched thread has of its own. */
struct watch_thread {
	struct plane *plane;
	struct thread *thread;
	struct watch_thread *next; /* free list */
	void *stack;
	_Alignas(64) struct race_stream streams[STREAMS];
	struct stack_at_cache stacks;
};

struct watch_tls {
	void *stack_top; /* of our own stack, NULL: in use, or none */
	struct watch_thread *self;
	uint64_t pending; /* signals queued until we are out of the slow path */
};
#define WATCH_STACK_BYTES (128u << 10)
extern __thread struct watch_tls watch_tls __attribute__((tls_model("initial-exec")));

/* The program's registers at the watched instruction, as the entries push them. */
struct watch_frame {
	uint64_t flags, r15, r14, r13, r12, rbp, rbx;
	uint64_t site, addr; /* rsi, rdi at the entry */
	uint64_t r11, r10, r9, r8, rdx, rcx, rax;
	uint64_t back; /* into the stub */
	uint64_t rsi, rdi;
};

HOT uintptr_t watch_frame_sp(const struct watch_frame *f)
{
	return (uintptr_t)(f + 1) + 128;
}

/* Which vector state the slow path saves; false: this processor has no xsave. */
bool miss_start(void);

/* The calling thread as the hooks know it (attaches it if need be), NULL: not to be watched. Set by the runtime. */
extern struct thread *(*watch_thread_of_caller)(void);
/* The rule looks no more, or the program has set %gs: checks are for nothing. Set by the engine. */
extern void (*watch_in_vain)(void);

/* Atomics in [watch_private_lo, watch_private_hi) order nothing (outside.h). */
extern uintptr_t watch_private_lo, watch_private_hi;

#endif
