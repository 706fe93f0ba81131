/* mutex.c - pthread mutexes of all types, and C11's, which are the same thing underneath (glibc) with other result codes. */
#include "hooks/mutex.h"

#include "hooks/interpose.h"

#include <errno.h>
#include <pthread.h>
#include <threads.h>
#include <time.h>

#define KIND_TYPE 3 /* glibc's __kind: 0 normal, 1 recursive, 2 errorcheck, 3 adaptive */
#define KIND_ROBUST 16
#define KIND_PP 64      /* priority ceiling: a second attempt is answered differently (glibc 2.36) */
#define KIND_PSHARED 128
#define KIND_ODD (KIND_ROBUST | KIND_PP)
#define KIND_DESTROYED (-1) /* left by pthread_mutex_destroy */
#define KIND_SLICEABLE(kind) (((kind) & (16 | 32 | 64)) == 0) /* not robust, PI, PP */
#define OWNER_INCONSISTENT 0x7fffffff                          /* robust: EOWNERDEAD not answered yet */

REAL_OF(pthread_mutex_trylock);
REAL_OF(pthread_mutex_lock);
REAL_OF(pthread_mutex_unlock);
REAL_OF(pthread_mutex_timedlock);
REAL_OF(pthread_mutex_clocklock);

static int real_take(pthread_mutex_t *m, const struct limit *limit)
{
	if (!limit)
		return real_pthread_mutex_lock(m);
	if (limit->clock == LIMIT_DEFAULT)
		return real_pthread_mutex_timedlock(m, limit->at);
	return real_pthread_mutex_clocklock(m, limit->clock, limit->at);
}

/* Waits for it, really. A plain mutex is waited for in slices: what no hook can see (a condition waiter stuck on its mutex,
 * a lost wake-up elsewhere) shows by looking again later, and the program cannot tell the difference. */
static int block(struct thread *t, pthread_mutex_t *m, const struct limit *limit)
{
	if (limit || !KIND_SLICEABLE(m->__data.__kind))
		return real_take(m, limit);
	struct slices s = { 0 };
	for (;;) {
		struct timespec at = slices_next(&s);
		int r = real_pthread_mutex_clocklock(m, CLOCK_MONOTONIC, &at);
		if (r != ETIMEDOUT)
			return r;
		wait_look_again(t);
	}
}

/* What the real call answered. */
static int took(struct thread *t, pthread_mutex_t *m, unsigned key, struct taking k, int r, struct site site, const char *call)
{
	if (r == 0 || r == EOWNERDEAD) {
		lock_got(t, (uintptr_t)m, FAMILY_MUTEX, key, k);
		happens_after(t, (uintptr_t)m);
	} else if (r != ETIMEDOUT && m->__data.__kind != KIND_DESTROYED) { /* use after destroy has been said by lock_want */
		hook_call_failed(t, (uintptr_t)m, FAMILY_MUTEX, r, site, call);
	}
	return r;
}

/* The first try did not give it to us. */
static COLD int take_slow(pthread_mutex_t *m, const struct limit *limit, struct site site, int r, const char *call)
{
	struct thread *t = tls.thread;
	unsigned key = limit ? ORDER_TIMED : ORDER_BLOCK;
	struct taking k = lock_refused_slow(t, (uintptr_t)m);
	if (r == EBUSY) {
		wait_publish(t, &(struct waiting){ .kind = WAIT_LOCK, .key = key, .timed = limit != NULL,
						   .lock = k.lock, .addr = (uintptr_t)m, .stack = k.stack, .call = call });
		r = real_pthread_mutex_trylock(m);
		if (r == EBUSY) {
			wait_look(t);
			r = block(t, m, limit);
		}
		wait_end(t);
	} else if (r != EOWNERDEAD) {
		/* The blocking call knows best what is wrong with it. */
		r = real_take(m, limit);
	}
	return took(t, m, key, k, r, site, call);
}

/* It is ours already. */
static COLD int again_slow(struct thread *t, pthread_mutex_t *m, const struct limit *limit, struct site site, const char *call)
{
	int type = m->__data.__kind & KIND_TYPE;
	uint32_t lock = object_here(t, (uintptr_t)m, FAMILY_MUTEX, site, false);
	struct held *h = lock_held(t, (uintptr_t)m);
	if (type == PTHREAD_MUTEX_RECURSIVE_NP) {
		int r = real_take(m, limit);
		if (r == 0 && h)
			h->count++;
		return r;
	}
	struct misuse found = {
		.kind = KIND_RELOCK,
		.grade = -1,
		.call = call,
		.lock = lock,
		.other = h ? t->id : 0,
		.other_stack = h ? h->stack : 0,
		.message = "the calling thread holds it already",
	};
	if (type != PTHREAD_MUTEX_ERRORCHECK_NP && !limit) {
		/* It will never come back from this call. */
		hang_on_itself(t, (uintptr_t)m, lock, ORDER_WRITE, site, call, KIND_SELF_DEADLOCK);
		return real_take(m, limit);
	}
	int r = real_take(m, limit);
	found.error = hook_errno_name(r);
	if (r)
		misuse_found(t, &found, site);
	return r;
}

/*
 * Ours already, robust, or with an impossible limit: everything that does not begin with a try. A robust mutex that is lost for
 * good must not be tried: glibc's trylock keeps the lock word then (2.36), and the call after it would wait for itself.
 */
static COLD int odd_slow(struct thread *t, pthread_mutex_t *m, const struct limit *limit, struct site site, const char *call)
{
	unsigned key = limit ? ORDER_TIMED : ORDER_BLOCK;
	if (m->__data.__kind == KIND_DESTROYED) {
		/* Whatever its other words say: the call refuses it at once, and lock_want has told on it. */
		struct taking dead = lock_want(t, (uintptr_t)m, FAMILY_MUTEX, key, site);
		return took(t, m, key, dead, real_take(m, limit), site, call);
	}
	/* A number is a thread's own only within one process: a shared mutex may belong to another namespace. */
	if (m->__data.__owner == t->tid && (!(m->__data.__kind & KIND_PSHARED) || lock_held(t, (uintptr_t)m)))
		return again_slow(t, m, limit, site, call);
	struct taking k = lock_want(t, (uintptr_t)m, FAMILY_MUTEX, key, site);
	bool waits = eyes.owner_here(FAMILY_MUTEX, (uintptr_t)m) != 0;
	if (waits)
		wait_begin(t, &(struct waiting){ .kind = WAIT_LOCK, .key = key, .timed = limit != NULL,
						 .lock = k.lock, .addr = (uintptr_t)m, .stack = k.stack, .call = call });
	int r = real_take(m, limit);
	if (waits)
		wait_end(t);
	return took(t, m, key, k, r, site, call);
}

static int take(pthread_mutex_t *m, const struct limit *limit, struct site site, const char *call)
{
	struct thread *t = hook_thread();
	if (unlikely(!t))
		return mutex_real_slow(m, limit);
	if (unlikely(m->__data.__owner == t->tid || m->__data.__kind & KIND_ODD || (limit && limit_refused(limit, false))))
		return odd_slow(t, m, limit, site, call);
	lock_trying(t, (uintptr_t)m, FAMILY_MUTEX, limit ? ORDER_TIMED : ORDER_BLOCK, site);
	int r = real_pthread_mutex_trylock(m);
	if (unlikely(r))
		return take_slow(m, limit, site, r, call);
	happens_after(t, (uintptr_t)m);
	return 0;
}

static COLD int release_slow(struct thread *t, pthread_mutex_t *m, bool held, struct site site, const char *call)
{
	if (m->__data.__kind & KIND_ROBUST && m->__data.__owner == OWNER_INCONSISTENT && held)
		misuse_found(t, &(struct misuse){ .kind = KIND_OWNER_DEAD, .grade = -1, .call = call,
						  .lock = object_here(t, (uintptr_t)m, FAMILY_MUTEX, site, false),
						  .message = "its last owner died, and it is unlocked without having been made "
							     "consistent: nobody can ever lock it again" },
			     site);
	if (m->__data.__kind == KIND_DESTROYED)
		object_here(t, (uintptr_t)m, FAMILY_MUTEX, site, false); /* which says so */
	else if (!held)
		unlock_without_lock_slow(t, (uintptr_t)m, FAMILY_MUTEX, site, call);
	return real_pthread_mutex_unlock(m);
}

static int release(pthread_mutex_t *m, struct site site, const char *call)
{
	struct thread *t = hook_thread();
	if (unlikely(!t))
		return mutex_real_unlock_slow(m);
	bool held = lock_gone(t, (uintptr_t)m);
	happens_before(t, (uintptr_t)m);
	if (unlikely(!held || m->__data.__kind & KIND_ROBUST))
		return release_slow(t, m, held, site, call);
	return real_pthread_mutex_unlock(m);
}

/*
 * The hot halves of lock and unlock. What one piece cannot do at once it leaves to the next by a jump with the same arguments:
 * so the return address is the program's all along, and nothing need be kept across the real call but the mutex.
 */
typedef int lock_fn(pthread_mutex_t *m);
typedef int nested_fn(pthread_mutex_t *m, uint32_t lock, uint32_t stack, struct thread *t, uint32_t n);

HOT int known_take(struct thread *t, uint32_t n, pthread_mutex_t *m, struct taking k, lock_fn *contended)
{
	held_push(t, n, (uintptr_t)m, FAMILY_MUTEX, ORDER_BLOCK, k);
	if (unlikely(real_pthread_mutex_trylock(m)))
		return contended(m);
	return 0;
}

HOT int known_first(pthread_mutex_t *m, struct site site, lock_fn *slow, lock_fn *contended, nested_fn *nested)
{
	struct thread *t = tls.thread;
	struct taking k = { .chain = CHAIN_UNSET };
	if (unlikely(tls.gate) || unlikely(m->__data.__kind & KIND_ODD || m->__data.__owner == t->tid) ||
	    unlikely(!lock_known(t, (uintptr_t)m, FAMILY_MUTEX, site, &k)))
		return slow(m);
	uint32_t n = atomic_load_explicit(&t->nr_held, memory_order_relaxed);
	if (n)
		return nested(m, k.lock, k.stack, t, n);
	return known_take(t, 0, m, k, contended);
}

/* Something is held already. */
HOT int known_nested(pthread_mutex_t *m, uint32_t lock, uint32_t stack, struct thread *t, uint32_t n, lock_fn *contended, nested_fn *other)
{
	uint32_t chain = n == 1 ? chain_of_first(t) : t->top.chain;
	if (unlikely(n > 1 && t->top.nr_held != n))
		chain = t->held[n - 1].chain;
	if (unlikely(!chain)) /* 0 would be one with nothing held */
		return other(m, lock, stack, t, n);
	struct taking k = { lock, stack, order_next_here(order_cache_of(t), chain, lock, ORDER_BLOCK, t->seg) };
	if (unlikely(!k.chain))
		return other(m, lock, stack, t, n);
	return known_take(t, n, m, k, contended);
}

/* The same with a first lock whose chain nobody has asked for, or where another place is to be looked at. */
HOT int known_other(pthread_mutex_t *m, uint32_t lock, uint32_t stack, struct thread *t, uint32_t n, nested_fn *new, lock_fn *contended)
{
	uint32_t chain = chain_now(t, n);
	struct taking k = { lock, stack, chain ? order_step(order_cache_of(t), chain, lock, ORDER_BLOCK, t->seg) : 0 };
	if (unlikely(!k.chain))
		return new(m, lock, stack, t, n);
	return known_take(t, n, m, k, contended);
}

HOT bool release_known(pthread_mutex_t *m)
{
	struct thread *t = tls.thread;
	if (unlikely(tls.gate))
		return false;
	uint32_t n = atomic_load_explicit(&t->nr_held, memory_order_relaxed);
	const struct held *h = &t->held[n - 1];
	if (unlikely(!n || h->addr != (uintptr_t)m || h->count != 1 || m->__data.__kind & KIND_ROBUST || t->race))
		return false;
	atomic_store_explicit(&t->nr_held, n - 1, memory_order_relaxed);
	return true;
}

static COLD int try_slow(struct thread *t, pthread_mutex_t *m, int r, struct site site, const char *call)
{
	if (r == 0) { /* recursive, once more */
		struct held *h = lock_held(t, (uintptr_t)m);
		if (h)
			h->count++;
	} else if (r == EOWNERDEAD) {
		lock_got(t, (uintptr_t)m, FAMILY_MUTEX, ORDER_TRY, lock_want(t, (uintptr_t)m, FAMILY_MUTEX, ORDER_TRY, site));
		happens_after(t, (uintptr_t)m);
	} else if (r != EBUSY && m->__data.__kind != KIND_DESTROYED) {
		hook_call_failed(t, (uintptr_t)m, FAMILY_MUTEX, r, site, call);
	}
	return r;
}

HOT int try_take(pthread_mutex_t *m, struct site site, const char *call)
{
	struct thread *t = hook_thread();
	if (unlikely(!t))
		return mutex_real_try_slow(m);
	bool again = m->__data.__owner == t->tid;
	int r = real_pthread_mutex_trylock(m);
	if (unlikely(r || again))
		return try_slow(t, m, r, site, call);
	lock_got(t, (uintptr_t)m, FAMILY_MUTEX, ORDER_TRY, lock_want(t, (uintptr_t)m, FAMILY_MUTEX, ORDER_TRY, site));
	happens_after(t, (uintptr_t)m);
	return 0;
}

static COLD int lock_slow(pthread_mutex_t *m) { return take(m, NULL, SITE(), "pthread_mutex_lock"); }
static COLD int contended_slow(pthread_mutex_t *m) { return take_slow(m, NULL, SITE(), EBUSY, "pthread_mutex_lock"); }
static COLD int unlock_slow(pthread_mutex_t *m) { return release(m, SITE(), "pthread_mutex_unlock"); }

/* Nothing new but the order. */
static __attribute__((noinline)) int lock_new_slow(pthread_mutex_t *m, uint32_t lock, uint32_t stack, struct thread *t, uint32_t n)
{
	(void)n;
	lock_trying_new_slow(t, (uintptr_t)m, FAMILY_MUTEX, ORDER_BLOCK, lock, stack);
	return likely(real_pthread_mutex_trylock(m) == 0) ? 0 : contended_slow(m);
}

static __attribute__((noinline)) int lock_other(pthread_mutex_t *m, uint32_t lock, uint32_t stack, struct thread *t, uint32_t n)
{
	return known_other(m, lock, stack, t, n, lock_new_slow, contended_slow);
}

static __attribute__((noinline)) int lock_nested(pthread_mutex_t *m, uint32_t lock, uint32_t stack, struct thread *t, uint32_t n)
{
	return known_nested(m, lock, stack, t, n, contended_slow, lock_other);
}

INTERPOSE(int, pthread_mutex_lock, (pthread_mutex_t *m))
{
	return known_first(m, SITE(), lock_slow, contended_slow, lock_nested);
}

INTERPOSE(int, pthread_mutex_unlock, (pthread_mutex_t *m))
{
	if (unlikely(!release_known(m)))
		return unlock_slow(m);
	return real_pthread_mutex_unlock(m);
}

INTERPOSE(int, pthread_mutex_trylock, (pthread_mutex_t *m)) { return try_take(m, SITE(), "pthread_mutex_trylock"); }

INTERPOSE(int, pthread_mutex_timedlock, (pthread_mutex_t *m, const struct timespec *at))
{
	struct limit limit = { at, LIMIT_DEFAULT };
	return take(m, &limit, SITE(), "pthread_mutex_timedlock");
}

INTERPOSE(int, pthread_mutex_clocklock, (pthread_mutex_t *m, clockid_t clock, const struct timespec *at))
{
	struct limit limit = { at, clock };
	return take(m, &limit, SITE(), "pthread_mutex_clocklock");
}

INTERPOSE(int, pthread_mutex_init, (pthread_mutex_t *m, const pthread_mutexattr_t *attr))
{
	struct thread *t = hook_thread();
	if (t)
		object_init_called(t, (uintptr_t)m, FAMILY_MUTEX, SITE(), "pthread_mutex_init");
	int r = REAL(pthread_mutex_init)(m, attr);
	if (t && r == 0)
		object_here(t, (uintptr_t)m, FAMILY_MUTEX, SITE(), true);
	return r;
}

INTERPOSE(int, pthread_mutex_destroy, (pthread_mutex_t *m))
{
	struct thread *t = hook_thread();
	if (t)
		object_destroy_called(t, (uintptr_t)m, FAMILY_MUTEX, SITE(), "pthread_mutex_destroy");
	int r = REAL(pthread_mutex_destroy)(m);
	if (t && r)
		object_destroy_failed(t, (uintptr_t)m, FAMILY_MUTEX, SITE());
	return r;
}

INTERPOSE(int, pthread_mutex_consistent, (pthread_mutex_t *m))
{
	return REAL(pthread_mutex_consistent)(m);
}

/* The gate is shut: nothing but the call. */
int mutex_real_slow(pthread_mutex_t *m, const struct limit *limit)
{
	if (!limit)
		return REAL(pthread_mutex_lock)(m);
	if (limit->clock == LIMIT_DEFAULT)
		return REAL(pthread_mutex_timedlock)(m, limit->at);
	return REAL(pthread_mutex_clocklock)(m, limit->clock, limit->at);
}

int mutex_real_unlock_slow(pthread_mutex_t *m) { return REAL(pthread_mutex_unlock)(m); }
int mutex_real_try_slow(pthread_mutex_t *m) { return REAL(pthread_mutex_trylock)(m); }

/* ---- C11 ---------------------------------------------------------------------------------------------------------
 * source: glibc nptl/mtx_*.c: mtx_t is a pthread_mutex_t inside; calls do not go through the pthread_* symbols. */

int mutex_c11_result(int r)
{
	switch (r) {
	case 0:
		return thrd_success;
	case EBUSY:
		return thrd_busy;
	case ENOMEM:
		return thrd_nomem;
	case ETIMEDOUT:
		return thrd_timedout;
	default:
		return thrd_error;
	}
}

static COLD int mtx_lock_slow(pthread_mutex_t *m) { return mutex_c11_result(take(m, NULL, SITE(), "mtx_lock")); }
static COLD int mtx_contended_slow(pthread_mutex_t *m) { return mutex_c11_result(take_slow(m, NULL, SITE(), EBUSY, "mtx_lock")); }
static COLD int mtx_unlock_slow(mtx_t *m) { return mutex_c11_result(release((pthread_mutex_t *)(void *)m, SITE(), "mtx_unlock")); }

static __attribute__((noinline)) int mtx_lock_new_slow(pthread_mutex_t *m, uint32_t lock, uint32_t stack, struct thread *t, uint32_t n)
{
	(void)n;
	lock_trying_new_slow(t, (uintptr_t)m, FAMILY_MUTEX, ORDER_BLOCK, lock, stack);
	return likely(real_pthread_mutex_trylock(m) == 0) ? thrd_success : mtx_contended_slow(m);
}

static __attribute__((noinline)) int mtx_lock_other(pthread_mutex_t *m, uint32_t lock, uint32_t stack, struct thread *t, uint32_t n)
{
	return known_other(m, lock, stack, t, n, mtx_lock_new_slow, mtx_contended_slow);
}

static __attribute__((noinline)) int mtx_lock_nested(pthread_mutex_t *m, uint32_t lock, uint32_t stack, struct thread *t, uint32_t n)
{
	return known_nested(m, lock, stack, t, n, mtx_contended_slow, mtx_lock_other);
}

INTERPOSE(int, mtx_lock, (mtx_t *m))
{
	return known_first((pthread_mutex_t *)(void *)m, SITE(), mtx_lock_slow, mtx_contended_slow, mtx_lock_nested);
}

INTERPOSE(int, mtx_unlock, (mtx_t *m))
{
	if (unlikely(!release_known((pthread_mutex_t *)(void *)m)))
		return mtx_unlock_slow(m);
	return likely(real_pthread_mutex_unlock((pthread_mutex_t *)(void *)m) == 0) ? thrd_success : thrd_error;
}

INTERPOSE(int, mtx_trylock, (mtx_t *m))
{
	return mutex_c11_result(try_take((pthread_mutex_t *)(void *)m, SITE(), "mtx_trylock"));
}

INTERPOSE(int, mtx_timedlock, (mtx_t *restrict m, const struct timespec *restrict at))
{
	struct limit limit = { at, LIMIT_DEFAULT };
	return mutex_c11_result(take((pthread_mutex_t *)(void *)m, &limit, SITE(), "mtx_timedlock"));
}

INTERPOSE(int, mtx_init, (mtx_t *m, int type))
{
	struct thread *t = hook_thread();
	if (t)
		object_init_called(t, (uintptr_t)m, FAMILY_MUTEX, SITE(), "mtx_init");
	int r = REAL(mtx_init)(m, type);
	if (t && r == thrd_success)
		object_by_id(object_here(t, (uintptr_t)m, FAMILY_MUTEX, SITE(), true))->kind = LOCK_C11_MUTEX;
	return r;
}

INTERPOSE(void, mtx_destroy, (mtx_t *m))
{
	struct thread *t = hook_thread();
	if (t)
		object_destroy_called(t, (uintptr_t)m, FAMILY_MUTEX, SITE(), "mtx_destroy");
	REAL(mtx_destroy)(m);
}
