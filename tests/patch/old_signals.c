/* old_signals.c - Handlers set by the old calls: they are called as ever, and a check that faults on memory far away is not their business. */
#define _XOPEN_SOURCE 700
#include "start.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#define FAR_A ((char *)0x100000000000)
#define FAR_B ((char *)0xc000000000)
#define ROOM  1024u

sighandler_t bsd_signal(int nr, sighandler_t f);
sighandler_t __sysv_signal(int nr, sighandler_t f);
int __xpg_sigpause(int nr);
int __sigpause(int signal_or_mask, int is_signal);

static volatile int seen;
static void count(int nr) { seen += nr; }
static void other(int nr) { seen -= nr; }

__attribute__((noinline)) static long far(char *p, long seed)
{
	long sum = 0;
	for (unsigned i = 0; i < ROOM; i += 8) {
		*(long *)(p + i) = seed += i;
		sum += p[i + 3] + *(int *)(p + i + 4);
	}
	return sum;
}

static const char *name(sighandler_t f)
{
	return f == SIG_DFL ? "default" : f == SIG_IGN ? "ignored" : f == SIG_ERR ? "error" : f == SIG_HOLD ? "held" : f == count ? "count" : f == other ? "other" : "somebody else's";
}

/* What is set now, and that it works; a far access in between belongs to nobody. */
static void show(const char *what, int nr, sighandler_t was)
{
	struct sigaction a;
	long sum = far(FAR_A, 1) + far(FAR_B, 2);
	OK(sigaction(nr, NULL, &a));
	printf("%s: was %s, is %s, flags %x, itself in its mask %d, far %ld, seen %d\n", what, name(was), name(a.sa_handler), (unsigned)a.sa_flags & 0xf0ffffffu,
	       sigismember(&a.sa_mask, nr), sum, seen);
	seen = 0;
}

static void each(int nr)
{
	show("signal", nr, signal(nr, count));
	raise(nr);
	show("bsd_signal", nr, bsd_signal(nr, other));
	raise(nr);
	show("ssignal", nr, ssignal(nr, count));
	raise(nr);
	show("sysv_signal", nr, sysv_signal(nr, other));
	raise(nr);
	show("once", nr, SIG_ERR);
	show("__sysv_signal", nr, __sysv_signal(nr, count));
	raise(nr);
	show("once", nr, SIG_ERR);
	show("sigset", nr, sigset(nr, count));
	raise(nr);
	show("sigset hold", nr, sigset(nr, SIG_HOLD));
	raise(nr);
	show("sigset from hold", nr, sigset(nr, other));
	show("sigset again", nr, sigset(nr, count));
	printf("sigignore %d\n", sigignore(nr));
	raise(nr);
	show("ignored", nr, SIG_ERR);
	sighold(nr);
	signal(nr, count);
	raise(nr);
	show("held", nr, SIG_ERR);
	sigrelse(nr);
	show("let go", nr, SIG_ERR);
	for (int interrupt = 1; interrupt >= 0; interrupt--) {
		printf("siginterrupt %d\n", siginterrupt(nr, interrupt));
		show("interrupt", nr, SIG_ERR);
		show("signal after it", nr, signal(nr, other));
	}
	signal(nr, SIG_DFL);
}

static void wrong(void)
{
	errno = 0;
	printf("%s %d\n", name(sigset(SIGKILL, count)), errno);
	errno = 0;
	printf("%s %d\n", name(sigset(1000, count)), errno);
	errno = 0;
	printf("%s %d\n", name(sysv_signal(-1, count)), errno);
	errno = 0;
	printf("%s %d\n", name(sysv_signal(SIGUSR1, SIG_ERR)), errno);
	errno = 0;
	printf("%d %d\n", sigignore(SIGSTOP), errno);
	errno = 0;
	printf("%d %d\n", siginterrupt(0, 1), errno);
	errno = 0;
	printf("%d %d\n", __xpg_sigpause(0), errno);
}

static void once_in_a_while(int nr)
{
	seen += nr;
	far(FAR_A, 3);
	far(FAR_B, 4);
}

static void pauses(void)
{
	struct itimerval once = { { 0, 0 }, { 0, 5000 } };
	sigset_t alarm_only;
	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	for (int how = 0; how < 3; how++) {
		signal(SIGALRM, once_in_a_while);
		OK(sigprocmask(SIG_BLOCK, &alarm_only, NULL));
		OK(setitimer(ITIMER_REAL, &once, NULL));
		int segv = 1 << (SIGSEGV - 1);
		errno = 0;
		int r = how == 0 ? __sigpause(segv, 0) : how == 1 ? __xpg_sigpause(SIGALRM) : __sigpause(SIGALRM, 1);
		printf("pause %d: %d %d, seen %d\n", how, r, errno, seen);
		seen = 0;
		OK(sigprocmask(SIG_UNBLOCK, &alarm_only, NULL));
	}
}

static void *work(void *arg)
{
	each(SIGUSR1);
	each(SIGSEGV);
	each(SIGTRAP);
	wrong();
	return arg;
}

int main(void)
{
	MUST(mmap(FAR_A, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == FAR_A);
	start_engine();
	MUST(mmap(FAR_B, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == FAR_B);
	work(NULL);
	pauses();
	finish(start(work));
	return 0;
}
