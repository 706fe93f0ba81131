/* masks.c - Programs that block the signals of faults: what they read back is what they set, what they are sent stays pending, and they
 * live where they would without us. */
#include "invisible.h"
#include "start.h"

#include <setjmp.h>
#include <stdbool.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define FAR_A ((char *)0x100000000000)
#define FAR_B ((char *)0xc000000000)
#define ROOM  (1u << 16)

static volatile int handled, inside;
static sigset_t all, none, segv;
static sigjmp_buf out;
static long *volatile null;

static const char *mask_now(void)
{
	static __thread char text[8];
	sigset_t now;
	OK(pthread_sigmask(SIG_BLOCK, NULL, &now));
	snprintf(text, sizeof text, "%c%c%c%c", sigismember(&now, SIGSEGV) ? 'S' : '-', sigismember(&now, SIGBUS) ? 'B' : '-',
		 sigismember(&now, SIGTRAP) ? 'T' : '-', sigismember(&now, SIGUSR1) ? 'U' : '-');
	return text;
}

__attribute__((noinline)) static long far(char *p, long seed)
{
	long sum = 0;
	for (unsigned i = 0; i < ROOM; i += 8) {
		*(long *)(p + i) = seed += i;
		sum += p[i + 3] + *(int *)(p + i + 4);
	}
	return sum;
}

static void *blocked(void *arg)
{
	printf("a thread begins with %s\n", mask_now());
	OK(pthread_sigmask(SIG_SETMASK, &all, NULL));
	char *mine = (long)arg ? FAR_B : FAR_A;
	for (int k = 0; k < 3; k++)
		far(mine, k);
	printf("%ld under %s\n", far(mine, 5), mask_now());
	return arg;
}

static void count(int nr, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;
	(void)si;
	handled = nr;
	inside = sigismember(&uc->uc_sigmask, SIGSEGV) * 2 + (mask_now()[0] == 'S');
	far(FAR_A, 1);
}

static void jump(int nr) { siglongjmp(out, nr); }

static void install(int nr, void (*f)(int, siginfo_t *, void *), int flags)
{
	struct sigaction a = { .sa_sigaction = f, .sa_flags = SA_SIGINFO | flags };
	OK(sigaction(nr, &a, NULL));
}

static void read_back(void)
{
	sigset_t old, two = segv;
	sigaddset(&two, SIGUSR1);
	printf("at first %s\n", mask_now());
	OK(sigprocmask(SIG_BLOCK, &two, &old));
	printf("%d, then %s\n", sigismember(&old, SIGSEGV), mask_now());
	OK(pthread_sigmask(SIG_SETMASK, &all, &old));
	printf("%d, then %s\n", sigismember(&old, SIGSEGV), mask_now());
	OK(sigprocmask(SIG_UNBLOCK, &segv, &old));
	printf("%d, then %s\n", sigismember(&old, SIGSEGV), mask_now());
	printf("%d %s\n", pthread_sigmask(77, &all, NULL), mask_now());
	OK(sigprocmask(SIG_SETMASK, &none, &old));
	printf("%d %d, then %s\n", sigismember(&old, SIGSEGV), sigismember(&old, SIGTRAP), mask_now());
}

static bool is_pending(void)
{
	sigset_t s;
	OK(sigpending(&s));
	return sigismember(&s, SIGSEGV);
}

static void pending(void)
{
	int nr = 0;
	install(SIGSEGV, count, 0);
	OK(sigprocmask(SIG_BLOCK, &segv, NULL));
	OK(raise(SIGSEGV));
	printf("pending %d, handled %d\n", is_pending(), handled);
	OK(sigwait(&segv, &nr));
	printf("waited for %d, pending %d\n", nr, is_pending());
	printf("far %ld\n", far(FAR_B, 2));
	OK(kill(getpid(), SIGSEGV));
	printf("pending %d, handled %d\n", is_pending(), handled);
	OK(sigprocmask(SIG_UNBLOCK, &segv, NULL));
	printf("pending %d, handled %d, seen inside %d\n", is_pending(), handled, inside);
	handled = 0;
	install(SIGSEGV, count, SA_NODEFER);
	OK(raise(SIGSEGV));
	printf("handled %d, seen inside %d\n", handled, inside);
	struct sigaction old;
	OK(sigaction(SIGSEGV, NULL, &old));
	printf("flags %x\n", (unsigned)old.sa_flags & ~0x04000000u);
	struct timespec soon = { 0, 1000000 };
	OK(sigprocmask(SIG_BLOCK, &segv, NULL));
	printf("%d\n", sigtimedwait(&segv, NULL, &soon));
	OK(sigprocmask(SIG_UNBLOCK, &segv, NULL));
}

static void *waits_for_all(void *arg)
{
	int nr = 0;
	OK(pthread_sigmask(SIG_SETMASK, &all, NULL));
	OK(sigwait(&segv, &nr));
	printf("another thread waited for %d\n", nr);
	return arg;
}

static struct gate asleep;

static void *suspended(void *arg)
{
	sigset_t but_one = all;
	sigdelset(&but_one, SIGUSR1);
	OK(pthread_sigmask(SIG_SETMASK, &all, NULL));
	gate_open(&asleep);
	int r = sigsuspend(&but_one);
	printf("suspended %d %d, handled %d, %s\n", r, errno == EINTR, handled, mask_now());
	return arg;
}

static void jumps(void)
{
	struct sigaction a = { .sa_handler = jump };
	OK(sigaction(SIGSEGV, &a, NULL));
	for (volatile int i = 0; i < 3; i++) {
		int nr = sigsetjmp(out, 1);
		if (!nr)
			*null = 1;
		printf("out by %d, %s\n", nr, mask_now());
	}
	OK(sigprocmask(SIG_BLOCK, &all, NULL));
	if (!sigsetjmp(out, 1)) {
		OK(sigprocmask(SIG_SETMASK, &none, NULL));
		*null = 1;
	}
	printf("as it was: %s\n", mask_now());
	OK(sigprocmask(SIG_SETMASK, &none, NULL));
}

/* Its end as a child. */
static void child(const char *what, void (*f)(void))
{
	int status;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		f();
		fflush(NULL);
		_exit(5);
	}
	MUST(waitpid(pid, &status, 0) == pid);
	printf("%s: %s %d\n", what, WIFSIGNALED(status) ? "signal" : "exit", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void fault_while_blocked(void)
{
	install(SIGSEGV, count, 0);
	OK(sigprocmask(SIG_BLOCK, &segv, NULL));
	alarm(10);
	*null = 1;
}

static void plain_jump_out(void)
{
	struct sigaction a = { .sa_handler = jump };
	OK(sigaction(SIGSEGV, &a, NULL));
	alarm(10);
	if (!sigsetjmp(out, 0))
		*null = 1;
	printf("still %s\n", mask_now());
	fflush(stdout);
	*null = 2;
}

static void again(int nr, siginfo_t *si, void *uc)
{
	(void)nr, (void)si, (void)uc;
	if (write(1, "in the handler\n", 15) == 15)
		*null = 3;
}
static void fault_in_handler(void)
{
	install(SIGSEGV, again, 0);
	alarm(10);
	*null = 1;
}

static ucontext_t main_context, other_context;
static void in_other(void)
{
	OK(sigprocmask(SIG_SETMASK, &all, NULL));
	printf("other context %s\n", mask_now());
	MUST(swapcontext(&other_context, &main_context) == 0);
	printf("other context again %s\n", mask_now());
}

static void contexts(void)
{
	static char stack[1 << 16];
	MUST(getcontext(&other_context) == 0);
	other_context.uc_stack.ss_sp = stack;
	other_context.uc_stack.ss_size = sizeof stack;
	other_context.uc_link = &main_context;
	makecontext(&other_context, in_other, 0);
	for (int i = 0; i < 2; i++) {
		MUST(swapcontext(&main_context, &other_context) == 0);
		printf("main context %s\n", mask_now());
	}
}

/* What another program finds. */
static void show_mask(void) { printf("another program begins with %s\n", mask_now()); }

static char *self;
static void execs(void)
{
	OK(sigprocmask(SIG_SETMASK, &all, NULL));
	execl(self, self, "mask", NULL);
}

static void spawns(void)
{
	extern char **environ;
	char mask[] = "mask", *args[] = { self, mask, NULL };
	pid_t pid;
	OK(sigprocmask(SIG_SETMASK, &segv, NULL));
	fflush(NULL);
	OK(posix_spawn(&pid, self, NULL, NULL, args, environ));
	MUST(waitpid(pid, NULL, 0) == pid);
	printf("after it %s\n", mask_now());
	pid = vfork();
	if (pid == 0) {
		sigprocmask(SIG_SETMASK, &none, NULL);
		execl(self, self, "mask", NULL);
		_exit(9);
	}
	MUST(waitpid(pid, NULL, 0) == pid);
	printf("after vfork %s\n", mask_now());
}

int main(int argc, char **argv)
{
	self = argv[0];
	if (argc > 1) {
		show_mask();
		return 0;
	}
	sigfillset(&all);
	sigemptyset(&none);
	sigemptyset(&segv);
	sigaddset(&segv, SIGSEGV);
	MUST(mmap(FAR_A, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == FAR_A);
	start_engine();
	MUST(mmap(FAR_B, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == FAR_B);
	read_back();
	for (long i = 0; i < 2; i++)
		finish(start_with(blocked, (void *)i));
	OK(sigprocmask(SIG_SETMASK, &all, NULL));
	finish(start_with(blocked, NULL));
	OK(sigprocmask(SIG_SETMASK, &none, NULL));
	pending();
	install(SIGUSR1, count, 0);
	pthread_t t = start(suspended);
	gate_wait(&asleep);
	OK(pthread_kill(t, SIGSEGV)); /* blocked before and while it waits */
	OK(pthread_kill(t, SIGUSR1));
	finish(t);
	OK(sigprocmask(SIG_SETMASK, &all, NULL));
	t = start(waits_for_all);
	OK(kill(getpid(), SIGSEGV));
	finish(t);
	OK(sigprocmask(SIG_SETMASK, &none, NULL));
	jumps();
	contexts();
	OK(sigprocmask(SIG_SETMASK, &none, NULL));
	child("a fault that is blocked", fault_while_blocked);
	child("out without the mask", plain_jump_out);
	child("a fault in the handler", fault_in_handler);
	child("exec", execs);
	child("spawn", spawns);
	printf("at last %s\n", mask_now());
	return 0;
}
