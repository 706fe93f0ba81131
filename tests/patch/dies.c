/* dies.c - A program that crashes dies of the same signal. */
#include "start.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static long *volatile nowhere;

static void *thread(void *arg)
{
	nowhere[5]++;
	return arg;
}

static void child(int what)
{
	start_engine();
	if (what == 1)
		signal(SIGSEGV, SIG_IGN);
	if (what == 2)
		kill(getpid(), SIGSEGV);
	if (what == 3)
		signal(SIGSEGV, SIG_IGN), kill(getpid(), SIGSEGV), _exit(3);
	if (what == 4) {
		sigset_t all;
		sigfillset(&all);
		sigprocmask(SIG_BLOCK, &all, NULL);
	}
	if (what == 5)
		__asm__ volatile("int3");
	if (what == 6)
		signal(SIGTRAP, SIG_IGN), raise(SIGTRAP), _exit(6);
	if (what == 7)
		raise(SIGTRAP);
	if (what == 8) {
		pthread_t t;
		pthread_create(&t, NULL, thread, NULL);
		pthread_join(t, NULL);
	}
	*nowhere = 1;
	_exit(0);
}

int main(void)
{
	start_engine();
	for (int what = 0; what < 9; what++) {
		int status;
		fflush(NULL);
		pid_t pid = fork();
		if (pid == 0)
			child(what);
		if (waitpid(pid, &status, 0) != pid)
			return TEST_BROKEN;
		printf("%d: %s %d\n", what, WIFSIGNALED(status) ? "signal" : "exit", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	}
	return 0;
}
