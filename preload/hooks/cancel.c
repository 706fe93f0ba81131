/*
 * cancel.c - Cancellation.
 *
 * libc cancels a thread at once by a signal of its own (32), which sigaction(2) keeps to itself: its handler unwinds from wherever
 * the thread is, in our code as well, where locks would stay taken. So the runtime puts its own handler before libc's, as it does
 * with the program's; but libc sets its own only in the first pthread_cancel, just before it sends the signal. A thread that
 * cannot be cancelled is cancelled first, to have it there.
 * source: glibc 2.34 to 2.40, nptl/pthread_cancel.c
 */
#include "hooks/process.h"

#include "base/sys.h"
#include "hooks/interpose.h"

#include <pthread.h>
#include <signal.h>

REAL_OF(pthread_create);
REAL_OF(pthread_join);
REAL_OF(pthread_cancel);

static _Atomic uint32_t there, done; /* of the thread that cannot be cancelled */

/* No hook is called here but by its real name: this thread is none of the program's. */
static void *cannot_be_cancelled(void *arg)
{
	int old;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	atomic_store(&there, 1);
	sys_futex_wake(&there, 1);
	while (!atomic_load(&done))
		sys_futex_wait(&done, 0, 0);
	return arg;
}

/* Once: libc's handler is called by the runtime's. A process that may have no more threads has to do without. */
static void handler_before_libcs(void)
{
	static _Atomic bool taken;
	pthread_t t;
	if (!process_events.cancel_signal || sys_confined.on || atomic_exchange(&taken, true))
		return;
	if (process_events.cancel_signal())
		return;
	/* No handler of the program's runs in it; 33 is libc's for setuid. */
	uint64_t all = ~(1ull << (33 - 1)), had = 0;
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &all, &had, 8);
	if (real_pthread_create && real_pthread_join && real_pthread_cancel && real_pthread_create(&t, NULL, cannot_be_cancelled, NULL) == 0) {
		while (!atomic_load(&there))
			sys_futex_wait(&there, 0, 0);
		real_pthread_cancel(t);
		atomic_store(&done, 1);
		sys_futex_wake(&done, 1);
		real_pthread_join(t, NULL);
		process_events.cancel_signal();
	}
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &had, NULL, 8);
}

/* It will wake from whatever it waits in. */
INTERPOSE(int, pthread_cancel, (pthread_t thread))
{
	struct thread *t = hook_thread();
	bool joined;
	struct thread_info *info = t ? thread_by_handle((uintptr_t)thread, &joined) : NULL;
	struct thread *u = info && !joined ? atomic_load(&info->live) : NULL;
	if (u)
		atomic_store(&u->cancelled, true);
	if (t) {
		hook_unwind_resolve(true);
		handler_before_libcs();
	}
	return REAL(pthread_cancel)(thread);
}
