/* barrier.c - Barriers. */
#include "hooks/interpose.h"

#include <errno.h>
#include <pthread.h>

INTERPOSE(int, pthread_barrier_init,
	  (pthread_barrier_t *restrict b, const pthread_barrierattr_t *restrict attr, unsigned count))
{
	struct thread *t = hook_thread();
	if (t)
		object_init_called(t, (uintptr_t)b, FAMILY_BARRIER, SITE(), "pthread_barrier_init");
	int r = REAL(pthread_barrier_init)(b, attr, count);
	if (t && r == 0)
		object_here(t, (uintptr_t)b, FAMILY_BARRIER, SITE(), true);
	else if (t && r == EINVAL)
		misuse_found(t, &(struct misuse){ .kind = KIND_BARRIER_MISUSE, .grade = -1, .call = "pthread_barrier_init",
						  .error = hook_errno_name(r),
						  .message = "the number of threads is zero or too large" },
			     SITE());
	return r;
}

INTERPOSE(int, pthread_barrier_destroy, (pthread_barrier_t *b))
{
	struct thread *t = hook_thread();
	if (t)
		object_destroy_called(t, (uintptr_t)b, FAMILY_BARRIER, SITE(), "pthread_barrier_destroy");
	return REAL(pthread_barrier_destroy)(b);
}

/* Not a cancellation point. */
INTERPOSE(int, pthread_barrier_wait, (pthread_barrier_t *b))
{
	struct thread *t = hook_thread();
	if (t)
		happens_before(t, (uintptr_t)b);
	if (!t || eyes.passable(FAMILY_BARRIER, (uintptr_t)b, false)) {
		/* The last one lets all go; its sleepers may be on their way before it returns. */
		if (t)
			object_woken((uintptr_t)b, FAMILY_BARRIER);
		int last = REAL(pthread_barrier_wait)(b);
		if (t)
			happens_after(t, (uintptr_t)b);
		return last;
	}
	struct site site = SITE();
	uint32_t id = object_here(t, (uintptr_t)b, FAMILY_BARRIER, site, false);
	struct object *o = object_by_id(id);
	wait_begin(t, &(struct waiting){ .kind = WAIT_BARRIER, .lock = id, .addr = (uintptr_t)b,
					 .stack = site_stack(t, site), .call = "pthread_barrier_wait" });
	int r = REAL(pthread_barrier_wait)(b);
	/* Through the record: another thread may have destroyed the barrier by now. */
	if (r == PTHREAD_BARRIER_SERIAL_THREAD)
		atomic_fetch_add(&o->wakes, 1);
	wait_end(t);
	happens_after(t, (uintptr_t)b);
	return r;
}
