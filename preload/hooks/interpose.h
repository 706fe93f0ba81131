/*
 * interpose.h - One place to add a hook.
 *
 * INTERPOSE(int, pthread_mutex_lock, (pthread_mutex_t *m)) { … } declares the typed pointer to the real function, a row in a
 * linker section by which it is resolved at attach, and the exported wrapper whose body follows. A signature that differs
 * from the system's header does not compile.
 *
 * A body: verb before, the real call, verb after; result and errno exactly as the real call left them.
 */
#ifndef SNARL_HOOKS_INTERPOSE_H
#define SNARL_HOOKS_INTERPOSE_H

#include "base/compiler.h"
#include "detect/verbs.h"

#include <time.h>

struct hook_row {
	const char *name;
	const char *version; /* NULL: the default one */
	void **real;
};

#define INTERPOSE_ROW(name, id, version)                                                                             \
	__typeof__(name) *real_##id;                                                                                  \
	static struct hook_row row_##id __attribute__((section("snarl_hooks"), used, aligned(8))) = {                 \
		#name, version, (void **)(void *)&real_##id                                                           \
	};

#define INTERPOSE(ret, name, params)                                                                                 \
	INTERPOSE_ROW(name, name, NULL)                                                                               \
	EXPORT ret name params

/*
 * The same for a symbol that exists in two versions; `id` tells them apart in C. Mark the default one with "@@".
 * source: glibc's cond functions have GLIBC_2.2.5 (the old layout, behind a pointer) and GLIBC_2.3.2.
 */
#define INTERPOSE_AT(ret, name, id, at, version, params)                                                             \
	INTERPOSE_ROW(name, id, version)                                                                              \
	__typeof__(name) hook_##id;                                                                                   \
	__asm__(".symver hook_" #id "," #name at version);                                                            \
	EXPORT ret hook_##id params

/* The real function from a path where the gate may be shut: it may not have been resolved yet. */
#define REAL(id) (likely(real_##id != NULL) ? real_##id : (__typeof__(real_##id))hook_resolve_slow(&row_##id))
/* Elsewhere than in its own file. */
#define REAL_OF(name) extern __typeof__(name) *real_##name

COLD void *hook_resolve_slow(const struct hook_row *row);
/* Resolves every row; names that the system's libc lacks stay NULL. */
void hook_resolve_all(void);

/* The calling thread when its gate is open; NULL: call the real function and return. budget: one load, one test. */
COLD struct thread *hook_thread_slow(void);
HOT struct thread *hook_thread(void)
{
	if (likely(tls.gate == 0))
		return tls.thread;
	return hook_thread_slow();
}

/* The call being made, from the wrapper's own frame. */
#define SITE()                                                                                                       \
	((struct site){ (uintptr_t)__builtin_return_address(0), (uintptr_t)__builtin_frame_address(0) + 2 * sizeof(void *) })

/* A time limit of the caller's: none, against the call's own clock, or against a named one. */
struct limit {
	const struct timespec *at;
	int clock; /* LIMIT_DEFAULT or a clockid_t */
};
#define LIMIT_DEFAULT (-1)

/* Would libc refuse this limit before it looks at the object? Then trying first would hide its answer.
 * source: glibc 2.36: sem and rwlock calls check clock and nanoseconds at once, mutex calls only the clock. */
HOT bool limit_refused(const struct limit *l, bool nanoseconds)
{
	if (l->clock != LIMIT_DEFAULT && l->clock != CLOCK_REALTIME && l->clock != CLOCK_MONOTONIC)
		return true;
	return nanoseconds && (!l->at || l->at->tv_nsec < 0 || l->at->tv_nsec >= 1000000000);
}

/* Attaches the calling thread (info NULL: nobody saw it being created; its stack is asked for then). NULL when snarl is off or short of memory. */
struct thread *hook_attach(struct thread_info *info, uintptr_t stack_lo, uintptr_t stack_hi);

/* Set by the runtime: may threads attach? */
extern _Atomic bool hook_on;

/* Errors of a call that was not asked to fail. */
const char *hook_errno_name(int error);
void hook_call_failed(struct thread *t, uintptr_t addr, enum object_family family, int error, struct site site, const char *call);

/* Finds the target's unwinder for our clean-ups. open: it is about to unwind, so libc opens libgcc_s itself. */
void hook_unwind_resolve(bool open);

/* Before the process gets its second thread: the runtime opens what it needs only then. */
void hook_before_first_thread(void);
/* It has to do without. */
void hook_skip_first_thread(void);

void hook_eyes_start(void);

/* Is there a CPython in this process? Cheap once it has been found. */
void hook_python_find(bool start);
/* Where Python code may be running: if the interpreter was found and not looked into yet, now. budget: one load. */
void hook_python_ready(void);
/* Is this handler the one that CPython installs by itself when it starts? Asked once for each. */
bool hook_python_interrupt(int signal);

/* Makes sure that the end of this thread is noticed, after its other clean-up. */
void hook_mark_exit(struct thread *t);

/* Blocking again and again for at most a slice, looking around in between: 250 ms, doubling to 4 s. */
struct slices {
	uint64_t ns;
};
struct timespec slices_next(struct slices *s);

#endif
