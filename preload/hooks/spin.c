/* spin.c - pthread spin locks: owner and holders are in our records alone. */
#include "base/sys.h"
#include "hooks/interpose.h"

#include <errno.h>
#include <pthread.h>

REAL_OF(pthread_spin_lock);
REAL_OF(pthread_spin_trylock);

#define SPINS 1000 /* a few microseconds */

/* As libc's does; now and then it shows that it still spins, which the kernel could not tell. */
static int spin(struct thread *t, pthread_spinlock_t *l)
{
	uint64_t slice = 250000000, next = sys_clock_ns() + slice;
	for (;;) {
		for (unsigned i = 0; i < SPINS; i++) {
			if (!eyes.busy(FAMILY_SPIN, (uintptr_t)l))
				break;
			__builtin_ia32_pause();
		}
		int r = real_pthread_spin_trylock(l);
		if (r != EBUSY)
			return r;
		wait_beat(t);
		if (unlikely(sys_clock_ns() > next)) {
			wait_look_again(t);
			slice *= 1 + (slice < 4000000000u);
			next = sys_clock_ns() + slice;
		}
	}
}

static COLD int take_slow(struct thread *t, pthread_spinlock_t *l, struct site site, struct taking k)
{
	uintptr_t addr = (uintptr_t)l;
	if (lock_held(t, addr)) {
		hang_on_itself(t, addr, k.lock, ORDER_WRITE, site, "pthread_spin_lock", KIND_SELF_DEADLOCK);
		return real_pthread_spin_lock(l);
	}
	wait_publish(t, &(struct waiting){ .kind = WAIT_LOCK, .lock = k.lock, .addr = addr, .stack = k.stack,
					   .call = "pthread_spin_lock" });
	wait_look(t);
	int r = spin(t, l);
	wait_end(t);
	if (r == 0) {
		lock_got(t, addr, FAMILY_SPIN, ORDER_BLOCK, k);
		happens_after(t, addr);
	}
	return r;
}

INTERPOSE(int, pthread_spin_trylock, (pthread_spinlock_t *l))
{
	struct thread *t = hook_thread();
	int r = REAL(pthread_spin_trylock)(l);
	if (t && r == 0) {
		lock_got(t, (uintptr_t)l, FAMILY_SPIN, ORDER_TRY, lock_want(t, (uintptr_t)l, FAMILY_SPIN, ORDER_TRY, SITE()));
		happens_after(t, (uintptr_t)l);
	}
	return r;
}

INTERPOSE(int, pthread_spin_lock, (pthread_spinlock_t *l))
{
	struct thread *t = hook_thread();
	if (unlikely(!t))
		return REAL(pthread_spin_lock)(l);
	struct taking k = lock_want(t, (uintptr_t)l, FAMILY_SPIN, ORDER_BLOCK, SITE());
	if (unlikely(real_pthread_spin_trylock(l)))
		return take_slow(t, l, SITE(), k);
	lock_got(t, (uintptr_t)l, FAMILY_SPIN, ORDER_BLOCK, k);
	happens_after(t, (uintptr_t)l);
	return 0;
}

INTERPOSE(int, pthread_spin_unlock, (pthread_spinlock_t *l))
{
	struct thread *t = hook_thread();
	if (t && unlikely(!lock_gone(t, (uintptr_t)l)))
		unlock_without_lock_slow(t, (uintptr_t)l, FAMILY_SPIN, SITE(), "pthread_spin_unlock");
	if (t)
		happens_before(t, (uintptr_t)l);
	return REAL(pthread_spin_unlock)(l);
}

INTERPOSE(int, pthread_spin_init, (pthread_spinlock_t *l, int pshared))
{
	struct thread *t = hook_thread();
	if (t)
		object_init_called(t, (uintptr_t)l, FAMILY_SPIN, SITE(), "pthread_spin_init");
	int r = REAL(pthread_spin_init)(l, pshared);
	if (t && r == 0)
		object_here(t, (uintptr_t)l, FAMILY_SPIN, SITE(), true);
	return r;
}

INTERPOSE(int, pthread_spin_destroy, (pthread_spinlock_t *l))
{
	struct thread *t = hook_thread();
	if (t)
		object_destroy_called(t, (uintptr_t)l, FAMILY_SPIN, SITE(), "pthread_spin_destroy");
	return REAL(pthread_spin_destroy)(l);
}
