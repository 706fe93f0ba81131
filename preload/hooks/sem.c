/* sem.c - POSIX semaphores: waits are seen, posts wake; those that start at 1 may be locks. */
#include "hooks/interpose.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <fcntl.h>
#include <time.h>

REAL_OF(sem_trywait);
REAL_OF(sem_wait);
REAL_OF(sem_timedwait);
REAL_OF(sem_clockwait);

/* The gate is shut: nothing but the call. */
static COLD int sem_real_slow(sem_t *s);
static COLD int sem_real_timed_slow(sem_t *s, const struct timespec *at);
static COLD int sem_real_clock_slow(sem_t *s, clockid_t clock, const struct timespec *at);

static int real_wait(sem_t *s, const struct limit *limit)
{
	if (!limit)
		return real_sem_wait(s);
	return limit->clock == LIMIT_DEFAULT ? real_sem_timedwait(s, limit->at) : real_sem_clockwait(s, limit->clock, limit->at);
}

static void over(struct thread **t)
{
	if (*t && tls.inside == 0)
		wait_end(*t);
}

/* The method of a Python lock that we are in, if this is its semaphore. */
static const struct python_call *python_call_of(const struct thread *t, const sem_t *s)
{
	const struct python_call *call = t->stacks.call;
	return call && call->sem == (uintptr_t)s ? call : NULL;
}

/* Used as a lock, as far as is known (detect/semlock.h): the order counts before it blocks. */
static bool want_lock(struct thread *t, sem_t *s, unsigned key, struct site site, struct taking *k)
{
	uint32_t id = object_find((uintptr_t)s, FAMILY_SEM);
	if (semlock_role(id) != SEM_LOCK)
		return false;
	if (lock_held(t, (uintptr_t)s)) {
		const struct python_call *py = python_call_of(t, s);
		/* The with statement it was taken by ends it, and this thread will never come there. */
		if (py && key == ORDER_BLOCK && object_by_id(id)->sem.scoped && !eyes.passable(FAMILY_SEM, (uintptr_t)s, false))
			hang_on_itself(t, (uintptr_t)s, id, key, site, py->name, KIND_SELF_DEADLOCK);
		semlock_not(id); /* it wants from others what it took itself */
		return false;
	}
	*k = lock_want(t, (uintptr_t)s, FAMILY_SEM, key, site);
	return true;
}

static int take(sem_t *s, const struct limit *limit, struct site site, const char *call)
{
	struct thread *t = hook_thread();
	int saved = errno;
	if (!t)
		return limit ? limit->clock == LIMIT_DEFAULT ? sem_real_timed_slow(s, limit->at)
							     : sem_real_clock_slow(s, limit->clock, limit->at)
			     : sem_real_slow(s);
	if (limit && limit_refused(limit, true))
		return real_wait(s, limit);
	/* A cancellation point even when it need not wait; trywait is none (a loop of trywaits alone is never cancelled). */
	if (!limit || limit->clock == LIMIT_DEFAULT) /* sem_clockwait is none while it need not wait (glibc 2.36) */
		pthread_testcancel();
	unsigned key = limit ? ORDER_TIMED : ORDER_BLOCK;
	const struct python_call *py = python_call_of(t, s);
	struct taking k;
	bool lock = want_lock(t, s, key, site, &k);
	uint32_t id = object_find((uintptr_t)s, FAMILY_SEM);
	bool end = semlock_role(id) == SEM_THREAD_END;
	if (real_sem_trywait(s) == 0) {
		happens_after(t, (uintptr_t)s);
		if (lock)
			semlock_got(t, (uintptr_t)s, key, k, py && py->scoped);
		if (end)
			semlock_ended(t, id);
		return 0;
	}
	struct waiting w = { .kind = WAIT_SEM, .key = key, .timed = limit != NULL, .addr = (uintptr_t)s,
			     .stack = lock ? k.stack : site_stack(t, site), .call = py ? py->name : call };
	if (end) {
		w.kind = WAIT_JOIN;
		w.target = object_by_id(id)->sem.holder;
		w.mutex = id;
		w.call = "Thread.join";
	} else {
		w.lock = object_here(t, (uintptr_t)s, FAMILY_SEM, site, false);
	}
	wait_publish(t, &w);
	struct thread *waiting __attribute__((cleanup(over), unused)) = t;
	wait_look(t);
	errno = saved;
	int r = real_wait(s, limit);
	if (r == 0 && tls.inside == 0) {
		happens_after(t, (uintptr_t)s);
		if (lock)
			semlock_got(t, (uintptr_t)s, key, k, py && py->scoped);
		if (end)
			semlock_ended(t, id);
	}
	return r;
}

INTERPOSE(int, sem_wait, (sem_t *s)) { return take(s, NULL, SITE(), "sem_wait"); }

INTERPOSE(int, sem_timedwait, (sem_t *restrict s, const struct timespec *restrict at))
{
	struct limit limit = { at, LIMIT_DEFAULT };
	return take(s, &limit, SITE(), "sem_timedwait");
}

INTERPOSE(int, sem_clockwait, (sem_t *restrict s, clockid_t clock, const struct timespec *restrict at))
{
	struct limit limit = { at, clock };
	return take(s, &limit, SITE(), "sem_clockwait");
}

INTERPOSE(int, sem_trywait, (sem_t *s))
{
	struct thread *t = hook_thread();
	if (t)
		object_use_dead(t, (uintptr_t)s, FAMILY_SEM, SITE(), "sem_trywait");
	int r = REAL(sem_trywait)(s);
	if (t && r == 0) {
		happens_after(t, (uintptr_t)s);
		/* CPython tries first even where it is ready to wait: its method's arguments tell. */
		const struct python_call *py = python_call_of(t, s);
		unsigned key = py ? py->how : ORDER_TRY;
		uint32_t id = object_find((uintptr_t)s, FAMILY_SEM);
		struct taking k;
		if (semlock_role(id) == SEM_THREAD_END)
			semlock_ended(t, id);
		else if (want_lock(t, s, key, SITE(), &k))
			semlock_got(t, (uintptr_t)s, key, k, py && py->scoped);
	}
	return r;
}

/* Async-signal-safe: nothing is registered here. The record first: the semaphore may be gone once its waiter runs. */
INTERPOSE(int, sem_post, (sem_t *s))
{
	struct thread *t = hook_thread();
	int r;
	if (!t) {
		if (tls.thread) /* a signal handler inside snarl: who holds it cannot be told now */
			semlock_doubt((uintptr_t)s);
		return REAL(sem_post)(s);
	}
	object_woken((uintptr_t)s, FAMILY_SEM);
	happens_before(t, (uintptr_t)s);
	semlock_posted(t, (uintptr_t)s, object_find((uintptr_t)s, FAMILY_SEM));
	object_use_dead(t, (uintptr_t)s, FAMILY_SEM, SITE(), "sem_post");
	r = REAL(sem_post)(s);
	if (r != 0 && errno == EOVERFLOW) {
		int saved = errno;
		misuse_found(t, &(struct misuse){ .kind = KIND_SEM_MISUSE, .grade = -1, .call = "sem_post",
						  .lock = object_find((uintptr_t)s, FAMILY_SEM), .error = "EOVERFLOW",
						  .message = "its value would pass SEM_VALUE_MAX" },
			     SITE());
		errno = saved;
	}
	return r;
}

INTERPOSE(int, sem_init, (sem_t *s, int pshared, unsigned value))
{
	struct thread *t = hook_thread();
	if (pshared)
		outside_seen(OUTSIDE_SHARED);
	if (t)
		object_init_called(t, (uintptr_t)s, FAMILY_SEM, SITE(), "sem_init");
	int r = REAL(sem_init)(s, pshared, value);
	if (t)
		hook_python_ready();
	if (t && r == 0)
		semlock_born(object_here(t, (uintptr_t)s, FAMILY_SEM, SITE(), true), value, pshared);
	return r;
}

INTERPOSE(int, sem_destroy, (sem_t *s))
{
	struct thread *t = hook_thread();
	if (t)
		object_destroy_called(t, (uintptr_t)s, FAMILY_SEM, SITE(), "sem_destroy");
	return REAL(sem_destroy)(s);
}

INTERPOSE(int, sem_getvalue, (sem_t *restrict s, int *restrict value)) { return REAL(sem_getvalue)(s, value); }

/* A named semaphore: whoever knows the name can post. */
INTERPOSE(sem_t *, sem_open, (const char *name, int flags, ...))
{
	mode_t mode = 0;
	unsigned value = 0;
	if (flags & O_CREAT) {
		va_list ap;
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		value = va_arg(ap, unsigned);
		va_end(ap);
	}
	struct thread *t = hook_thread();
	sem_t *s = REAL(sem_open)(name, flags, mode, value);
	int saved = errno, now;
	if (!t)
		return s;
	outside_seen(OUTSIDE_SHARED);
	/* libc gives the same address for a name that is open already. */
	if (s != SEM_FAILED && flags & O_CREAT && !object_find((uintptr_t)s, FAMILY_SEM) && REAL(sem_getvalue)(s, &now) == 0)
		semlock_born(object_here(t, (uintptr_t)s, FAMILY_SEM, SITE(), true), value == 1 && now == 1, true);
	errno = saved;
	return s;
}

INTERPOSE(int, sem_close, (sem_t *s))
{
	struct thread *t = hook_thread();
	if (t)
		memory_gone(t, (uintptr_t)s, sizeof *s, (struct site){ 0, 0 }, "sem_close");
	return REAL(sem_close)(s);
}

static int sem_real_slow(sem_t *s) { return REAL(sem_wait)(s); }
static int sem_real_timed_slow(sem_t *s, const struct timespec *at) { return REAL(sem_timedwait)(s, at); }
static int sem_real_clock_slow(sem_t *s, clockid_t clock, const struct timespec *at) { return REAL(sem_clockwait)(s, clock, at); }
