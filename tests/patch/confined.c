/* confined.c - Once a program has shut itself in, its handlers are still its own, and it still dies of what kills it. */
#include "start.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t rang;
static long *volatile nowhere;

static void ring(int nr)
{
	rang = nr;
}

/* A filter that lets everything pass: what changes is that snarl holds its own calls back. */
static void confine(void)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog all = { 1, &allow };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all, 0, 0) != 0)
		exit(TEST_BROKEN);
}

static void child(int how)
{
	struct sigaction old;
	confine();
	if (how == 0) {
		printf("%d\n", signal(SIGUSR1, ring) != SIG_ERR);
		printf("%d\n", sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_handler == ring);
		raise(SIGUSR1);
		printf("rang %d\n", rang == SIGUSR1);
		exit(0);
	}
	if (how == 2)
		signal(SIGSEGV, SIG_DFL);
	alarm(10); /* rather than for ever */
	*nowhere = 1;
	_exit(0);
}

int main(void)
{
	start_engine();
	for (int how = 0; how < 3; how++) {
		int status;
		fflush(NULL);
		pid_t pid = fork();
		if (pid == 0)
			child(how);
		if (waitpid(pid, &status, 0) != pid)
			return TEST_BROKEN;
		printf("%d: %s %d\n", how, WIFSIGNALED(status) ? "signal" : "exit", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	}
	return 0;
}
