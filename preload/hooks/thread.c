/* thread.c - Creation, joining, ending. */
#include "hooks/interpose.h"

#include "base/arena.h"
#include "base/masks.h"
#include "base/sys.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <threads.h>
#include <sys/uio.h>
#include <time.h>

/* What a new thread needs to become ours; handed over, freed by the new thread. */
struct start {
	union {
		void *(*fn)(void *);
		thrd_start_t c11;
	};
	void *arg;
	struct thread_info *info;
	size_t stack_bytes;
	uint64_t blocked, really; /* base/masks.h */
};

static pthread_key_t exit_key;
static bool have_exit_key;

/* In the last round of key destructors: do any come after ours? They may still wake somebody. (A value without a destructor
 * looks the same.) */
static bool destructors_left(void)
{
	for (pthread_key_t k = exit_key + 1; k < PTHREAD_KEYS_MAX; k++)
		if (pthread_getspecific(k))
			return true;
	return false;
}

/*
 * Runs among the thread's key destructors. Others' may still use locks: it puts itself back until the last round, so that it
 * comes after them (PTHREAD_DESTRUCTOR_ITERATIONS is 4 here).
 */
static void at_exit(void *arg)
{
	struct thread *t = arg;
	if (tls.thread != t || tls.inside & GATE_DEAD)
		return;
	hook_thread(); /* what others have told us meanwhile */
	if (++t->exit_rounds < PTHREAD_DESTRUCTOR_ITERATIONS && pthread_setspecific(exit_key, t) == 0)
		return;
	tls.inside = GATE_DEAD;
	thread_ending(t, !destructors_left());
}

void hook_mark_exit(struct thread *t)
{
	if (!have_exit_key)
		have_exit_key = pthread_key_create(&exit_key, at_exit) == 0;
	if (have_exit_key)
		pthread_setspecific(exit_key, t);
}

/* The stack of the calling new thread: its frames lie below this one, and a little above it libc's own words of the thread. No
 * system call, which a sandbox might not know. */
HOT void attach(const struct start *s)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	if (masks_on)
		masks_adopt(s->really, s->blocked);
	hook_attach(s->info, here - s->stack_bytes, here + 1024);
}

static void *run(void *arg)
{
	struct start s = *(struct start *)arg;
	arena_free(arg);
	attach(&s);
	return s.fn(s.arg);
}

static int run_c11(void *arg)
{
	struct start s = *(struct start *)arg;
	arena_free(arg);
	attach(&s);
	return s.c11(s.arg);
}

static size_t stack_bytes_of(const pthread_attr_t *attr)
{
	static _Atomic size_t usual;
	size_t n = 0;
	if (attr && pthread_attr_getstacksize(attr, &n) == 0 && n)
		return n;
	if (!usual) {
		pthread_attr_t def;
		n = 0;
		if (pthread_getattr_default_np(&def) == 0) {
			pthread_attr_getstacksize(&def, &n);
			pthread_attr_destroy(&def);
		}
		usual = n ? n : 8u << 20;
	}
	return usual;
}

/* It begins with its creator's mask, or with one of its own. */
static void mask_of(struct start *s, const pthread_attr_t *attr)
{
	sigset_t own;
	s->blocked = masks.blocked;
	s->really = masks.really;
	if (attr && pthread_attr_getsigmask_np(attr, &own) == 0) {
		memcpy(&s->really, &own, sizeof s->really);
		s->blocked = s->really &= MASKS_FAULTS;
	}
}

static struct start *start_new(struct thread *t, struct site site, bool detached, const pthread_attr_t *attr)
{
	struct start *s = arena_malloc(sizeof *s);
	if (s)
		s->stack_bytes = stack_bytes_of(attr);
	if (s && masks_on)
		mask_of(s, attr);
	if (s)
		s->info = thread_creating(t, site, detached);
	if (s && !s->info) {
		arena_free(s);
		return NULL;
	}
	return s;
}

/* What libc has stored for the program; the new thread may have freed the place already. 0: not to be read any more. */
static uintptr_t created_handle(const void *place, struct thread_info *info)
{
	uintptr_t v = 0;
	/* It says so itself when it starts. */
	for (unsigned i = 0; sys_confined.on && i < 500 && !(v = atomic_load(&info->handle)); i++)
		sys_futex_wait(&info->handle, 0, 200000);
	if (sys_confined.on)
		return v;
	struct iovec to = { &v, sizeof v }, from = { (void *)(uintptr_t)place, sizeof v };
	return sys6(SYS_process_vm_readv, sys_gettid(), (long)&to, 1, (long)&from, 1, 0) == sizeof v ? v : 0;
}

INTERPOSE(int, pthread_create,
	  (pthread_t *restrict thread, const pthread_attr_t *restrict attr, void *(*fn)(void *), void *restrict arg))
{
	struct thread *t = hook_thread();
	int detached = PTHREAD_CREATE_JOINABLE;
	if (!t)
		return REAL(pthread_create)(thread, attr, fn, arg);
	hook_before_first_thread();
	if (attr)
		pthread_attr_getdetachstate(attr, &detached);
	struct start *s = start_new(t, SITE(), detached == PTHREAD_CREATE_DETACHED, attr);
	if (!s)
		return REAL(pthread_create)(thread, attr, fn, arg);
	s->fn = fn;
	s->arg = arg;
	struct thread_info *info = s->info;
	int r = REAL(pthread_create)(thread, attr, run, s);
	/* A detached thread may be over and its handle with it; nobody will ask for it. */
	thread_created(t, info, r == 0 && detached == PTHREAD_CREATE_JOINABLE ? created_handle(thread, info) : 0, r == 0);
	if (r)
		arena_free(s);
	return r;
}

INTERPOSE(int, thrd_create, (thrd_t *thread, thrd_start_t fn, void *arg))
{
	struct thread *t = hook_thread();
	if (!t)
		return REAL(thrd_create)(thread, fn, arg);
	hook_before_first_thread();
	struct start *s = start_new(t, SITE(), false, NULL);
	if (!s)
		return REAL(thrd_create)(thread, fn, arg);
	s->c11 = fn;
	s->arg = arg;
	struct thread_info *info = s->info;
	int r = REAL(thrd_create)(thread, run_c11, s);
	thread_created(t, info, r == thrd_success ? created_handle(thread, info) : 0, r == thrd_success);
	if (r != thrd_success)
		arena_free(s);
	return r;
}

struct joining {
	struct thread *t;
	struct thread_info *child;
};

static void over(struct joining *j)
{
	if (j->t && tls.inside == 0)
		wait_end(j->t);
}

static void join_begin(struct joining *j, uintptr_t handle, bool timed, struct site site, const char *call)
{
	bool joined;
	struct thread_info *child = thread_by_handle(handle, &joined);
	j->child = joined ? NULL : child;
	if (child && (joined || child->flags & THREAD_DETACHED || child->live == j->t))
		misuse_found(j->t, &(struct misuse){ .kind = KIND_JOIN_MISUSE, .grade = -1, .call = call, .other = child->id,
						     .message = joined				       ? "the thread was joined before"
								: child->live == j->t	       ? "a thread joins itself"
											       : "the thread is detached" },
			     site);
	if (child && !joined && child->live == j->t)
		j->child = NULL; /* refused: it will not wait */
	else
		wait_begin(j->t, &(struct waiting){ .kind = WAIT_JOIN, .timed = timed, .target = j->child ? j->child->id : 0,
						    .stack = site_stack(j->t, site), .call = call });
}

/* Joins in slices, as in mutex.c; a cancellation point all the while, as the call itself. */
static int join_slices(struct thread *t, pthread_t thread, void **value, int (*clockjoin)(pthread_t, void **, clockid_t, const struct timespec *))
{
	struct slices s = { 0 };
	for (;;) {
		struct timespec at = slices_next(&s);
		int r = clockjoin(thread, value, CLOCK_MONOTONIC, &at);
		if (r != ETIMEDOUT)
			return r;
		wait_look_again(t);
	}
}

#define JOIN(handle, is_timed, name, expression)                                                                     \
	do {                                                                                                         \
		struct joining j __attribute__((cleanup(over), unused)) = { hook_thread(), NULL };                            \
		if (j.t)                                                                                             \
			join_begin(&j, (uintptr_t)(handle), is_timed, SITE(), name);                                 \
		int r_ = expression;                                                                                 \
		if (j.t && r_ == 0 && j.child)                                                                        \
			thread_joined(j.t, j.child);                                                                 \
		return r_;                                                                                           \
	} while (0)

INTERPOSE(int, pthread_clockjoin_np, (pthread_t thread, void **value, clockid_t clock, const struct timespec *at))
{
	JOIN(thread, true, "pthread_clockjoin_np", REAL(pthread_clockjoin_np)(thread, value, clock, at));
}

INTERPOSE(int, pthread_timedjoin_np, (pthread_t thread, void **value, const struct timespec *at))
{
	JOIN(thread, true, "pthread_timedjoin_np", REAL(pthread_timedjoin_np)(thread, value, at));
}

INTERPOSE(int, pthread_join, (pthread_t thread, void **value))
{
	JOIN(thread, false, "pthread_join",
	     j.t && j.child ? join_slices(j.t, thread, value, real_pthread_clockjoin_np) : REAL(pthread_join)(thread, value));
}

INTERPOSE(int, thrd_join, (thrd_t thread, int *value)) { JOIN(thread, false, "thrd_join", REAL(thrd_join)(thread, value)); }

INTERPOSE(int, pthread_tryjoin_np, (pthread_t thread, void **value))
{
	struct thread *t = hook_thread();
	bool joined;
	struct thread_info *child = t ? thread_by_handle((uintptr_t)thread, &joined) : NULL;
	int r = REAL(pthread_tryjoin_np)(thread, value);
	if (child && !joined && r == 0)
		thread_joined(t, child);
	return r;
}

static void detach_begin(struct thread *t, uintptr_t handle, struct thread_info **child, struct site site, const char *call)
{
	bool joined;
	*child = thread_by_handle(handle, &joined);
	if (*child && (joined || (*child)->flags & THREAD_DETACHED))
		misuse_found(t, &(struct misuse){ .kind = KIND_JOIN_MISUSE, .grade = -1, .call = call, .other = (*child)->id,
						  .message = joined ? "the thread was joined before" : "the thread is detached already" },
			     site);
	if (joined)
		*child = NULL;
}

INTERPOSE(int, pthread_detach, (pthread_t thread))
{
	struct thread *t = hook_thread();
	struct thread_info *child = NULL;
	if (t)
		detach_begin(t, (uintptr_t)thread, &child, SITE(), "pthread_detach");
	int r = REAL(pthread_detach)(thread);
	if (child && r == 0)
		thread_detached(child);
	return r;
}

INTERPOSE(int, thrd_detach, (thrd_t thread))
{
	struct thread *t = hook_thread();
	struct thread_info *child = NULL;
	if (t)
		detach_begin(t, (uintptr_t)thread, &child, SITE(), "thrd_detach");
	int r = REAL(thrd_detach)(thread);
	if (child && r == thrd_success)
		thread_detached(child);
	return r;
}

/* The end of a thread is noticed by its key (above). */
INTERPOSE(void, pthread_exit, (void *value))
{
	if (hook_thread())
		hook_unwind_resolve(true);
	REAL(pthread_exit)(value);
	__builtin_unreachable();
}

INTERPOSE(void, thrd_exit, (int value))
{
	if (hook_thread())
		hook_unwind_resolve(true);
	REAL(thrd_exit)(value);
	__builtin_unreachable();
}
