/*
 * signal_old.c - The old ways to say what a signal does. Inside libc they go round sigaction's symbol, and a handler for SIGSEGV set so
 * would take the place of the runtime's: so they are made of sigaction here, as libc makes them.
 * source: glibc 2.36, sysdeps/posix/sysv_signal.c, signal/sigset.c, sigignore.c, sysdeps/posix/siginterrupt.c, sigpause.c
 */
#include "hooks/process.h"

#include "base/masks.h"
#include "hooks/interpose.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* of them, to say what they are made of */

static sighandler_t refused(void)
{
	errno = EINVAL;
	return SIG_ERR;
}

/* Deprecated where they are declared, or not at all. */
sighandler_t bsd_signal(int nr, sighandler_t handler);
sighandler_t sysv_signal(int nr, sighandler_t handler);
sighandler_t __sysv_signal(int nr, sighandler_t handler);
sighandler_t ssignal(int nr, sighandler_t handler);
sighandler_t sigset(int nr, sighandler_t handler);
int sigignore(int nr);
int pause_by_mask(int mask) __asm__("sigpause"); /* the header's sigpause is __xpg_sigpause here */
int __sigpause(int signal_or_mask, int is_signal);
int __xpg_sigpause(int nr);

EXPORT sighandler_t bsd_signal(int nr, sighandler_t handler) { return signal(nr, handler); }
EXPORT sighandler_t ssignal(int nr, sighandler_t handler) { return signal(nr, handler); }

EXPORT sighandler_t sysv_signal(int nr, sighandler_t handler)
{
	struct sigaction act, old;
	if (handler == SIG_ERR || nr < 1 || nr >= NSIG)
		return refused();
	memset(&act, 0, sizeof act);
	act.sa_handler = handler;
	act.sa_flags = (int)SA_RESETHAND | SA_NODEFER; /* and SA_INTERRUPT, which means nothing */
	return sigaction(nr, &act, &old) < 0 ? SIG_ERR : old.sa_handler;
}
EXPORT sighandler_t __sysv_signal(int nr, sighandler_t handler) { return sysv_signal(nr, handler); }

EXPORT sighandler_t sigset(int nr, sighandler_t handler)
{
	struct sigaction act, old;
	sigset_t set, had;
	if (handler == SIG_ERR || nr < 1 || nr >= NSIG)
		return refused();
	sigemptyset(&set);
	if (sigaddset(&set, nr) < 0)
		return SIG_ERR;
	memset(&act, 0, sizeof act);
	act.sa_handler = handler;
	if (handler != SIG_HOLD && sigaction(nr, &act, &old) < 0)
		return SIG_ERR;
	if (sigprocmask(handler == SIG_HOLD ? SIG_BLOCK : SIG_UNBLOCK, &set, &had) < 0)
		return SIG_ERR;
	if (sigismember(&had, nr))
		return SIG_HOLD;
	if (handler == SIG_HOLD && sigaction(nr, NULL, &old) < 0)
		return SIG_ERR;
	return old.sa_handler;
}

EXPORT int sigignore(int nr)
{
	struct sigaction act;
	memset(&act, 0, sizeof act);
	act.sa_handler = SIG_IGN;
	return sigaction(nr, &act, NULL);
}

/* libc's own is called as well: it remembers the answer for signal(). */
INTERPOSE(int, siginterrupt, (int nr, int interrupt))
{
	struct sigaction act;
	int r = REAL(siginterrupt)(nr, interrupt);
	if (r < 0 || sigaction(nr, NULL, &act) < 0)
		return r;
	act.sa_flags = interrupt ? act.sa_flags & ~SA_RESTART : act.sa_flags | SA_RESTART;
	hook_interrupts(nr, interrupt != 0);
	return sigaction(nr, &act, NULL);
}

EXPORT int pause_by_mask(int mask)
{
	sigset_t set;
	uint32_t word = (uint32_t)mask;
	sigemptyset(&set);
	memcpy(&set, &word, sizeof word);
	return sigsuspend(&set);
}

EXPORT int __xpg_sigpause(int nr)
{
	sigset_t set;
	return sigprocmask(SIG_BLOCK, NULL, &set) < 0 || sigdelset(&set, nr) < 0 ? -1 : sigsuspend(&set);
}

EXPORT int __sigpause(int signal_or_mask, int is_signal)
{
	return is_signal ? __xpg_sigpause(signal_or_mask) : pause_by_mask(signal_or_mask);
}
