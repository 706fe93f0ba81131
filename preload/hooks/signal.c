/* signal.c - A program with a handler or a timer of its own may be woken from outside (detect/stall.c). */
#include "hooks/interpose.h"

#include <signal.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static void installed(bool handler)
{
	if (handler)
		outside_seen(OUTSIDE_HANDLER);
}

INTERPOSE(int, sigaction, (int nr, const struct sigaction *restrict act, struct sigaction *restrict old))
{
	int r = REAL(sigaction)(nr, act, old);
	if (r == 0 && act && act->sa_handler != SIG_DFL && act->sa_handler != SIG_IGN && hook_python_interrupt(nr))
		outside_seen(OUTSIDE_INTERRUPT);
	else if (r == 0 && act)
		installed(act->sa_flags & SA_SIGINFO || (act->sa_handler != SIG_DFL && act->sa_handler != SIG_IGN));
	return r;
}

INTERPOSE(sighandler_t, signal, (int nr, sighandler_t handler))
{
	sighandler_t r = REAL(signal)(nr, handler);
	installed(r != SIG_ERR && handler != SIG_DFL && handler != SIG_IGN);
	return r;
}

INTERPOSE(int, timer_create, (clockid_t clock, struct sigevent *restrict event, timer_t *restrict timer))
{
	outside_seen(OUTSIDE_TIMER);
	return REAL(timer_create)(clock, event, timer);
}
