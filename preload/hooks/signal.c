/* signal.c - A program with a handler or a timer of its own may be woken from outside (detect/stall.c). */
#include "hooks/process.h"

#include "hooks/interpose.h"

#include <errno.h>
#include <mqueue.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static void installed(bool handler)
{
	if (handler)
		outside_seen(OUTSIDE_HANDLER);
}

/* libc is about to make threads of its own that run the program's code. */
static void threads_follow(const struct sigevent *event)
{
	if (event && event->sigev_notify == SIGEV_THREAD && hook_thread())
		hook_before_first_thread();
}

/* True: done, with r as sigaction's result and errno. */
static bool by_runtime(int nr, const struct sigaction *act, struct sigaction *old, int *r)
{
	int result;
	if (!process_events.signal_action || !process_events.signal_action(nr, act, old, &result))
		return false;
	*r = result < 0 ? -1 : 0;
	if (result < 0)
		errno = -result;
	return true;
}

INTERPOSE(int, sigaction, (int nr, const struct sigaction *restrict act, struct sigaction *restrict old))
{
	int r;
	/* Both may lie where the program cannot be read or written: libc's faults are the program's. */
	if (!by_runtime(nr, act, old, &r))
		r = REAL(sigaction)(nr, act, old);
	if (r == 0 && act && act->sa_handler != SIG_DFL && act->sa_handler != SIG_IGN && hook_python_interrupt(nr))
		outside_seen(OUTSIDE_INTERRUPT);
	else if (r == 0 && act)
		installed(act->sa_flags & SA_SIGINFO || (act->sa_handler != SIG_DFL && act->sa_handler != SIG_IGN));
	return r;
}

static _Atomic uint64_t interrupting; /* asked for by siginterrupt */

void hook_interrupts(int nr, bool on)
{
	uint64_t bit = 1ull << (nr - 1);
	if (on)
		atomic_fetch_or(&interrupting, bit);
	else
		atomic_fetch_and(&interrupting, ~bit);
}

INTERPOSE(sighandler_t, signal, (int nr, sighandler_t handler))
{
	/* source: glibc's signal() is sigaction with SA_RESTART unless siginterrupt said otherwise, and the signal itself in the mask. */
	struct sigaction act, old;
	int r;
	memset(&act, 0, sizeof act);
	act.sa_handler = handler;
	act.sa_flags = SA_RESTART;
	if (nr > 0 && nr < NSIG) {
		sigaddset(&act.sa_mask, nr);
		if (atomic_load(&interrupting) >> (nr - 1) & 1)
			act.sa_flags = 0;
	}
	sighandler_t was = handler != SIG_ERR && by_runtime(nr, &act, &old, &r) ? r == 0 ? old.sa_handler : SIG_ERR
										 : REAL(signal)(nr, handler);
	installed(was != SIG_ERR && handler != SIG_DFL && handler != SIG_IGN);
	return was;
}

INTERPOSE(int, mq_notify, (mqd_t queue, const struct sigevent *event))
{
	threads_follow(event);
	return REAL(mq_notify)(queue, event);
}

INTERPOSE(int, timer_create, (clockid_t clock, struct sigevent *restrict event, timer_t *restrict timer))
{
	outside_seen(OUTSIDE_TIMER);
	threads_follow(event);
	return REAL(timer_create)(clock, event, timer);
}
