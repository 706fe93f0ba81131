/*
 * cond.c - Condition variables, in both symbol versions, and C11's.
 *
 * The waits are cancellation points: a thread cancelled inside one holds the mutex again when its clean-up runs, so the verb
 * after the call stands in a cleanup handler.
 */
#include "hooks/interpose.h"
#include "hooks/mutex.h"

#include <errno.h>
#include <pthread.h>
#include <threads.h>
#include <time.h>

struct cond_call {
	struct thread *t;
	uintptr_t mutex, condition;
	struct cond_pause pause;
	int result;
};

static void over(struct cond_call *c)
{
	if (c->t && tls.inside == 0)
		cond_wait_over(c->t, c->mutex, &c->pause, true);
	if (c->t && tls.inside == 0 && c->result == 0) /* not timed out, nor left by cancellation */
		happens_after(c->t, c->condition);
}

/* The statement `call` waits; whatever way it is left, the mutex is ours again. */
#define COND_WAIT(cond, m, is_timed, name, call)                                                                     \
	do {                                                                                                         \
		struct cond_call c_ __attribute__((cleanup(over), unused)) = {                                \
			.t = hook_thread(), .mutex = (uintptr_t)(m), .condition = (uintptr_t)(cond), .result = -1                  \
		};                                                                                                    \
		if (c_.t)                                                                                            \
			cond_wait_begin(c_.t, (uintptr_t)(cond), (uintptr_t)(m), is_timed, SITE(), name, &c_.pause);  \
		return c_.result = call;                                                                             \
	} while (0)

INTERPOSE_AT(int, pthread_cond_wait, cond_wait, "@@", "GLIBC_2.3.2", (pthread_cond_t *restrict c, pthread_mutex_t *restrict m))
{
	COND_WAIT(c, m, false, "pthread_cond_wait", REAL(cond_wait)(c, m));
}

INTERPOSE_AT(int, pthread_cond_timedwait, cond_timedwait, "@@", "GLIBC_2.3.2",
	     (pthread_cond_t *restrict c, pthread_mutex_t *restrict m, const struct timespec *restrict at))
{
	COND_WAIT(c, m, true, "pthread_cond_timedwait", REAL(cond_timedwait)(c, m, at));
}

INTERPOSE(int, pthread_cond_clockwait,
	  (pthread_cond_t *restrict c, pthread_mutex_t *restrict m, clockid_t clock, const struct timespec *restrict at))
{
	COND_WAIT(c, m, true, "pthread_cond_clockwait", REAL(pthread_cond_clockwait)(c, m, clock, at));
}

/* Before the call: a waiter may be gone, and its condition with it, as soon as it has been woken. */
static void signalled(void *cond, struct site site, const char *call)
{
	struct thread *t = hook_thread();
	if (!t)
		return;
	uint32_t id = object_here(t, (uintptr_t)cond, FAMILY_COND, site, false);
	struct object *c = object_by_id(id);
	object_woken((uintptr_t)cond, FAMILY_COND);
	happens_before(t, (uintptr_t)cond);
	if (!atomic_load(&c->waiters) || !c->mutex)
		return;
	for (uint32_t n = t->nr_held; n-- > 0;)
		if (t->held[n].lock == c->mutex)
			return;
	misuse_found(t, &(struct misuse){ .kind = KIND_SIGNAL_NO_MUTEX, .grade = -1, .call = call, .lock = id, .lock2 = c->mutex,
					  .message = "its waiters' mutex is not held: a wake-up can fall between their test and "
						     "their wait" },
		     site);
}

INTERPOSE_AT(int, pthread_cond_signal, cond_signal, "@@", "GLIBC_2.3.2", (pthread_cond_t *c))
{
	signalled(c, SITE(), "pthread_cond_signal");
	return REAL(cond_signal)(c);
}

INTERPOSE_AT(int, pthread_cond_broadcast, cond_broadcast, "@@", "GLIBC_2.3.2", (pthread_cond_t *c))
{
	signalled(c, SITE(), "pthread_cond_broadcast");
	return REAL(cond_broadcast)(c);
}

INTERPOSE_AT(int, pthread_cond_init, cond_init, "@@", "GLIBC_2.3.2",
	     (pthread_cond_t *restrict c, const pthread_condattr_t *restrict attr))
{
	struct thread *t = hook_thread();
	if (t)
		object_init_called(t, (uintptr_t)c, FAMILY_COND, SITE(), "pthread_cond_init");
	int r = REAL(cond_init)(c, attr);
	if (t && r == 0)
		object_here(t, (uintptr_t)c, FAMILY_COND, SITE(), true);
	return r;
}

INTERPOSE_AT(int, pthread_cond_destroy, cond_destroy, "@@", "GLIBC_2.3.2", (pthread_cond_t *c))
{
	struct thread *t = hook_thread();
	if (t)
		object_destroy_called(t, (uintptr_t)c, FAMILY_COND, SITE(), "pthread_cond_destroy");
	return REAL(cond_destroy)(c);
}

/*
 * The old versions keep a pointer to a condition of libc's own: calls from programs of before 2003 pass through untouched.
 * source: glibc nptl/old_pthread_cond_*.c
 */
INTERPOSE_AT(int, pthread_cond_wait, old_cond_wait, "@", "GLIBC_2.2.5", (pthread_cond_t *restrict c, pthread_mutex_t *restrict m))
{
	return REAL(old_cond_wait)(c, m);
}

INTERPOSE_AT(int, pthread_cond_timedwait, old_cond_timedwait, "@", "GLIBC_2.2.5",
	     (pthread_cond_t *restrict c, pthread_mutex_t *restrict m, const struct timespec *restrict at))
{
	return REAL(old_cond_timedwait)(c, m, at);
}

INTERPOSE_AT(int, pthread_cond_signal, old_cond_signal, "@", "GLIBC_2.2.5", (pthread_cond_t *c))
{
	return REAL(old_cond_signal)(c);
}

INTERPOSE_AT(int, pthread_cond_broadcast, old_cond_broadcast, "@", "GLIBC_2.2.5", (pthread_cond_t *c))
{
	return REAL(old_cond_broadcast)(c);
}

INTERPOSE_AT(int, pthread_cond_init, old_cond_init, "@", "GLIBC_2.2.5",
	     (pthread_cond_t *restrict c, const pthread_condattr_t *restrict attr))
{
	return REAL(old_cond_init)(c, attr);
}

INTERPOSE_AT(int, pthread_cond_destroy, old_cond_destroy, "@", "GLIBC_2.2.5", (pthread_cond_t *c))
{
	return REAL(old_cond_destroy)(c);
}

/* ---- C11 (glibc: cnd_t is a pthread_cond_t inside) --------------------------------------------------------------- */

INTERPOSE(int, cnd_wait, (cnd_t *c, mtx_t *m)) { COND_WAIT(c, m, false, "cnd_wait", REAL(cnd_wait)(c, m)); }

INTERPOSE(int, cnd_timedwait, (cnd_t *restrict c, mtx_t *restrict m, const struct timespec *restrict at))
{
	COND_WAIT(c, m, true, "cnd_timedwait", REAL(cnd_timedwait)(c, m, at));
}

INTERPOSE(int, cnd_signal, (cnd_t *c))
{
	signalled(c, SITE(), "cnd_signal");
	return REAL(cnd_signal)(c);
}

INTERPOSE(int, cnd_broadcast, (cnd_t *c))
{
	signalled(c, SITE(), "cnd_broadcast");
	return REAL(cnd_broadcast)(c);
}

INTERPOSE(int, cnd_init, (cnd_t *c))
{
	struct thread *t = hook_thread();
	if (t)
		object_init_called(t, (uintptr_t)c, FAMILY_COND, SITE(), "cnd_init");
	int r = REAL(cnd_init)(c);
	if (t && r == thrd_success)
		object_by_id(object_here(t, (uintptr_t)c, FAMILY_COND, SITE(), true))->kind = LOCK_C11_COND;
	return r;
}

INTERPOSE(void, cnd_destroy, (cnd_t *c))
{
	struct thread *t = hook_thread();
	if (t)
		object_destroy_called(t, (uintptr_t)c, FAMILY_COND, SITE(), "cnd_destroy");
	REAL(cnd_destroy)(c);
}
