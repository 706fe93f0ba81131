/* crash.c - A crash handler sees the program's own stack; what it leaves to the kernel dies where the program was (patch.test looks into
 * the core file). */
#include "start.h"

#include <execinfo.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

static long *volatile nowhere;
static long cells[8];
long crash_inner(long *p);
long crash_middle(long *p);

static void crashed(int nr)
{
	void *pc[32];
	bool inner = false, middle = false;
	int n = backtrace(pc, 32);
	for (int i = 0; i < n; i++) {
		inner |= (uintptr_t)pc[i] - (uintptr_t)crash_inner < 100;
		middle |= (uintptr_t)pc[i] - (uintptr_t)crash_middle < 50;
	}
	printf("signal %d, in crash_inner %d, called by crash_middle %d\n", nr, inner, middle);
	fflush(stdout);
}

__attribute__((noinline)) long crash_inner(long *p)
{
	cells[1]++;
	cells[2] += cells[1];
	long v = p[3]; /* here */
	cells[3] = v;
	return v;
}

__attribute__((noinline)) long crash_middle(long *p) { return crash_inner(p) + cells[3]; }

int main(int argc, char **argv)
{
	int status;
	struct sigaction a = { .sa_handler = crashed, .sa_flags = (int)SA_RESETHAND };
	void *pc[4];
	start_engine();
	backtrace(pc, 4);
	OK(sigaction(SIGSEGV, &a, NULL));
	if (argc > 1)
		return (int)crash_middle(nowhere) + (argv == NULL);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		_exit((int)crash_middle(nowhere));
	MUST(waitpid(pid, &status, 0) == pid);
	printf("%s %d\n", WIFSIGNALED(status) ? "signal" : "exit", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return 0;
}
