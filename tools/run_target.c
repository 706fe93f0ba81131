#include "run_target.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mem.h"

static const int forwarded[] = { SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 };
#define NR_FORWARDED (sizeof forwarded / sizeof *forwarded)

static void as_before(const struct run_before *b)
{
	sigaction(SIGINT, &b->interrupt, NULL);
	sigaction(SIGQUIT, &b->quit, NULL);
	sigaction(SIGCHLD, &b->child, NULL);
	sigprocmask(SIG_SETMASK, &b->mask, NULL);
}

static void become(struct run_target *t, int report)
{
	as_before(&t->before);
	execve(t->path, t->argv, t->env);
	int err = errno;
	if (err == ENOEXEC) {
		/* A script without "#!": the shell's, by custom. */
		size_t n = 0;
		while (t->argv[n])
			n++;
		char **argv = mem_alloc((n + 2) * sizeof *argv);
		argv[0] = (char *)"sh";
		argv[1] = (char *)t->path;
		for (size_t i = 1; i < n; i++)
			argv[i + 1] = t->argv[i];
		execve("/bin/sh", argv, t->env);
	}
	ssize_t n = write(report, &err, sizeof err);
	_exit(n == sizeof err ? 127 : 126);
}

int run_target_start(struct run_target *t)
{
	struct run_before *b = &t->before;
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t ours;
	int pipes[2], err = 0;
	sigemptyset(&ours);
	sigaddset(&ours, SIGCHLD);
	for (size_t i = 0; i < NR_FORWARDED; i++)
		sigaddset(&ours, forwarded[i]);
	if (pipe2(pipes, O_CLOEXEC) != 0)
		return errno;
	sigprocmask(SIG_BLOCK, &ours, &b->mask);
	t->signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
	sigaction(SIGINT, &ignore, &b->interrupt);
	sigaction(SIGQUIT, &ignore, &b->quit);
	/* Where it is ignored, children leave no status behind. */
	sigaction(SIGCHLD, &(struct sigaction){ .sa_handler = SIG_DFL }, &b->child);
	t->pid = fork();
	if (t->pid == 0)
		become(t, pipes[1]);
	if (t->pid < 0)
		err = errno;
	close(pipes[1]);
	int from_child;
	if (t->pid > 0 && read(pipes[0], &from_child, sizeof from_child) == sizeof from_child) {
		err = from_child;
		while (waitpid(t->pid, &t->status, 0) < 0 && errno == EINTR)
			;
	}
	close(pipes[0]);
	return err;
}

static void pass_on(struct run_target *t)
{
	struct signalfd_siginfo i;
	while (read(t->signals, &i, sizeof i) == sizeof i)
		/* The terminal's own (a hang-up) has reached the program's group already. */
		if (i.ssi_signo != SIGCHLD && i.ssi_code != SI_KERNEL)
			kill(t->pid, (int)i.ssi_signo);
}

bool run_target_wait(struct run_target *t, int ms)
{
	struct pollfd p = { .fd = t->signals, .events = POLLIN };
	if (poll(&p, 1, ms) > 0)
		pass_on(t);
	if (waitpid(t->pid, &t->status, WNOHANG) != t->pid)
		return false;
	/* What came together with the program's end was meant for it: timeout(1) tells the whole group. */
	struct signalfd_siginfo i;
	while (read(t->signals, &i, sizeof i) == sizeof i)
		;
	as_before(&t->before);
	return true;
}
