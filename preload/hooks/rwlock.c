/* rwlock.c - Read-write locks. Readers are in our records alone; the writer is in the lock's own words too. */
#include "hooks/interpose.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

REAL_OF(pthread_rwlock_tryrdlock);
REAL_OF(pthread_rwlock_trywrlock);
REAL_OF(pthread_rwlock_rdlock);
REAL_OF(pthread_rwlock_wrlock);
REAL_OF(pthread_rwlock_timedrdlock);
REAL_OF(pthread_rwlock_timedwrlock);
REAL_OF(pthread_rwlock_clockrdlock);
REAL_OF(pthread_rwlock_clockwrlock);

/* A writer comes after everybody, a reader after writers only: two readers are in no order because of the lock. */
HOT uintptr_t readers(pthread_rwlock_t *l) { return (uintptr_t)l + 1; }

HOT void taken(struct thread *t, pthread_rwlock_t *l, unsigned key)
{
	happens_after(t, (uintptr_t)l);
	if (!(key & ORDER_READ))
		happens_after(t, readers(l));
}

static COLD void leaving_slow(struct thread *t, pthread_rwlock_t *l)
{
	const struct held *h = lock_held(t, (uintptr_t)l);
	if (!h || h->key & ORDER_READ)
		happens_before(t, readers(l));
	if (!h || !(h->key & ORDER_READ))
		happens_before(t, (uintptr_t)l);
}

static int real_take(pthread_rwlock_t *l, bool read, const struct limit *limit)
{
	if (!limit)
		return read ? real_pthread_rwlock_rdlock(l) : real_pthread_rwlock_wrlock(l);
	if (limit->clock == LIMIT_DEFAULT)
		return read ? real_pthread_rwlock_timedrdlock(l, limit->at) : real_pthread_rwlock_timedwrlock(l, limit->at);
	return read ? real_pthread_rwlock_clockrdlock(l, limit->clock, limit->at)
		    : real_pthread_rwlock_clockwrlock(l, limit->clock, limit->at);
}

/* In slices, as in mutex.c. */
static int block(struct thread *t, pthread_rwlock_t *l, bool read, const struct limit *limit)
{
	/* A writer that gives up for a moment would let readers pass whom it is to keep out. */
	if (limit || (!read && l->__data.__flags == PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP))
		return real_take(l, read, limit);
	struct slices s = { 0 };
	for (;;) {
		struct timespec at = slices_next(&s);
		int r = read ? real_pthread_rwlock_clockrdlock(l, CLOCK_MONOTONIC, &at)
			     : real_pthread_rwlock_clockwrlock(l, CLOCK_MONOTONIC, &at);
		if (r != ETIMEDOUT)
			return r;
		wait_look_again(t);
	}
}

static COLD int take_slow(struct thread *t, pthread_rwlock_t *l, unsigned key, const struct limit *limit, struct site site,
			  struct taking k, int r, const char *call)
{
	bool read = key & ORDER_READ;
	struct held *mine = lock_held(t, (uintptr_t)l);
	if (r == EBUSY && mine && !read && mine->key & ORDER_READ) {
		hang_on_itself(t, (uintptr_t)l, k.lock, key, site, call, KIND_LOCK_UPGRADE);
		r = real_take(l, read, limit);
	} else if (r == EBUSY && !mine) {
		wait_publish(t, &(struct waiting){ .kind = WAIT_LOCK, .key = key, .timed = limit != NULL,
						   .lock = k.lock, .addr = (uintptr_t)l, .stack = k.stack, .call = call });
		r = read ? real_pthread_rwlock_tryrdlock(l) : real_pthread_rwlock_trywrlock(l);
		if (r == EBUSY) {
			wait_look(t);
			r = block(t, l, read, limit);
		}
		wait_end(t);
	} else {
		r = real_take(l, read, limit);
	}
	if (r == 0) {
		lock_got(t, (uintptr_t)l, FAMILY_RWLOCK, key, k);
		taken(t, l, key);
	} else if (r != ETIMEDOUT) {
		hook_call_failed(t, (uintptr_t)l, FAMILY_RWLOCK, r, site, call);
	}
	return r;
}

static COLD int refused_slow(struct thread *t, pthread_rwlock_t *l, unsigned mode, const struct limit *limit, struct site site,
			     const char *call)
{
	int r = real_take(l, mode & ORDER_READ, limit);
	if (r)
		hook_call_failed(t, (uintptr_t)l, FAMILY_RWLOCK, r, site, call);
	return r;
}

/* This thread reads it already: no new order, one more to release. */
static COLD int read_again_slow(struct thread *t, pthread_rwlock_t *l, const struct limit *limit, struct held *h, struct site site,
				const char *call)
{
	int r = real_pthread_rwlock_tryrdlock(l);
	if (r == EBUSY) {
		/* A waiting writer keeps even those out who read already: perhaps a ring of two. */
		wait_begin(t, &(struct waiting){ .kind = WAIT_LOCK, .key = ORDER_READ | (limit ? ORDER_TIMED : 0),
						 .timed = limit != NULL, .lock = h->lock, .addr = (uintptr_t)l,
						 .stack = site_stack(t, site), .call = call });
		r = real_take(l, true, limit);
		wait_end(t);
	} else if (r) {
		r = real_take(l, true, limit);
	}
	if (r == 0)
		h->count++;
	return r;
}

static COLD int real_slow(pthread_rwlock_t *l, bool read, const struct limit *limit);

HOT int take(pthread_rwlock_t *l, unsigned mode, const struct limit *limit, struct site site, const char *call)
{
	struct thread *t = hook_thread();
	if (unlikely(!t))
		return real_slow(l, mode & ORDER_READ, limit);
	unsigned key = mode | (limit ? ORDER_TIMED : ORDER_BLOCK);
	if (limit && unlikely(limit_refused(limit, true)))
		return refused_slow(t, l, mode, limit, site, call);
	for (uint32_t n = t->nr_held; n-- > 0;)
		if (unlikely(t->held[n].addr == (uintptr_t)l && mode & t->held[n].key & ORDER_READ))
			return read_again_slow(t, l, limit, &t->held[n], site, call);
	struct taking k = lock_want(t, (uintptr_t)l, FAMILY_RWLOCK, key, site);
	if (unlikely(l->__data.__flags == PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) && !(mode & ORDER_READ))
		lock_note_first_slow(t, k, key);
	int r = mode & ORDER_READ ? real_pthread_rwlock_tryrdlock(l) : real_pthread_rwlock_trywrlock(l);
	if (unlikely(r))
		return take_slow(t, l, key, limit, site, k, r, call);
	lock_got(t, (uintptr_t)l, FAMILY_RWLOCK, key, k);
	taken(t, l, key);
	return 0;
}

HOT int try_take(pthread_rwlock_t *l, unsigned mode, struct site site, int (*try)(pthread_rwlock_t *))
{
	struct thread *t = hook_thread();
	int r = try(l);
	if (unlikely(!t || r))
		return r;
	struct held *h = lock_held(t, (uintptr_t)l);
	if (h)
		h->count++;
	else
		lock_got(t, (uintptr_t)l, FAMILY_RWLOCK, mode | ORDER_TRY,
			 lock_want(t, (uintptr_t)l, FAMILY_RWLOCK, mode | ORDER_TRY, site));
	taken(t, l, mode);
	return 0;
}

INTERPOSE(int, pthread_rwlock_rdlock, (pthread_rwlock_t *l)) { return take(l, ORDER_READ, NULL, SITE(), "pthread_rwlock_rdlock"); }
INTERPOSE(int, pthread_rwlock_wrlock, (pthread_rwlock_t *l)) { return take(l, ORDER_WRITE, NULL, SITE(), "pthread_rwlock_wrlock"); }

INTERPOSE(int, pthread_rwlock_tryrdlock, (pthread_rwlock_t *l))
{
	return try_take(l, ORDER_READ, SITE(), REAL(pthread_rwlock_tryrdlock));
}

INTERPOSE(int, pthread_rwlock_trywrlock, (pthread_rwlock_t *l))
{
	return try_take(l, ORDER_WRITE, SITE(), REAL(pthread_rwlock_trywrlock));
}

INTERPOSE(int, pthread_rwlock_timedrdlock, (pthread_rwlock_t *restrict l, const struct timespec *restrict at))
{
	struct limit limit = { at, LIMIT_DEFAULT };
	return take(l, ORDER_READ, &limit, SITE(), "pthread_rwlock_timedrdlock");
}

INTERPOSE(int, pthread_rwlock_timedwrlock, (pthread_rwlock_t *restrict l, const struct timespec *restrict at))
{
	struct limit limit = { at, LIMIT_DEFAULT };
	return take(l, ORDER_WRITE, &limit, SITE(), "pthread_rwlock_timedwrlock");
}

INTERPOSE(int, pthread_rwlock_clockrdlock, (pthread_rwlock_t *restrict l, clockid_t clock, const struct timespec *restrict at))
{
	struct limit limit = { at, clock };
	return take(l, ORDER_READ, &limit, SITE(), "pthread_rwlock_clockrdlock");
}

INTERPOSE(int, pthread_rwlock_clockwrlock, (pthread_rwlock_t *restrict l, clockid_t clock, const struct timespec *restrict at))
{
	struct limit limit = { at, clock };
	return take(l, ORDER_WRITE, &limit, SITE(), "pthread_rwlock_clockwrlock");
}

INTERPOSE(int, pthread_rwlock_unlock, (pthread_rwlock_t *l))
{
	struct thread *t = hook_thread();
	if (t && unlikely(t->race != NULL))
		leaving_slow(t, l);
	if (t && unlikely(!lock_gone(t, (uintptr_t)l)))
		unlock_without_lock_slow(t, (uintptr_t)l, FAMILY_RWLOCK, SITE(), "pthread_rwlock_unlock");
	return REAL(pthread_rwlock_unlock)(l);
}

INTERPOSE(int, pthread_rwlock_init, (pthread_rwlock_t *l, const pthread_rwlockattr_t *attr))
{
	struct thread *t = hook_thread();
	if (t)
		object_init_called(t, (uintptr_t)l, FAMILY_RWLOCK, SITE(), "pthread_rwlock_init");
	int r = REAL(pthread_rwlock_init)(l, attr);
	if (t && r == 0)
		object_here(t, (uintptr_t)l, FAMILY_RWLOCK, SITE(), true);
	return r;
}

INTERPOSE(int, pthread_rwlock_destroy, (pthread_rwlock_t *l))
{
	struct thread *t = hook_thread();
	if (t)
		object_destroy_called(t, (uintptr_t)l, FAMILY_RWLOCK, SITE(), "pthread_rwlock_destroy");
	int r = REAL(pthread_rwlock_destroy)(l);
	if (t && r)
		object_destroy_failed(t, (uintptr_t)l, FAMILY_RWLOCK, SITE());
	return r;
}

static COLD int real_slow(pthread_rwlock_t *l, bool read, const struct limit *limit)
{
	if (!limit)
		return read ? REAL(pthread_rwlock_rdlock)(l) : REAL(pthread_rwlock_wrlock)(l);
	if (limit->clock == LIMIT_DEFAULT)
		return read ? REAL(pthread_rwlock_timedrdlock)(l, limit->at) : REAL(pthread_rwlock_timedwrlock)(l, limit->at);
	return read ? REAL(pthread_rwlock_clockrdlock)(l, limit->clock, limit->at)
		    : REAL(pthread_rwlock_clockwrlock)(l, limit->clock, limit->at);
}
