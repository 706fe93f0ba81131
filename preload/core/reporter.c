/*
 * reporter.c - See reporter.h.
 *
 * target --clone(CLONE_VM, exit signal 0)--> waiter --vfork, exec--> snarl report --follow
 *
 * The waiter shares the target's memory instead of copying it: a copy would cost a large target its page tables now and
 * up to its own size again while it runs. It touches only the mapping made for it here, and it sleeps in wait4.
 * Seen all the same: `ps` shows the waiter, as "snarl-wait"; a target that waits with __WALL gets it; a target that
 * execs without reporter_finish gets a SIGCHLD when it ends (the kernel insists when the parent's image has changed).
 */
#include "core/reporter.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "base/sys.h"

#define STACK_BYTES       16384
#define START_PATIENCE_NS 5000000000u
#define NR_SIGNALS        64

extern char **environ;

/* All that the two children use; behind it the environment's array and their stacks, in one mapping. */
struct start {
	struct reporter_how how;
	int sock;
	int error; /* of exec, clone */
	_Atomic uint32_t started;
	char *stack_top[2];
	size_t bytes;
	char *env[];
};

/* A stack that is left by execve and mapped by hand keeps AddressSanitizer's marks of frames long gone. */
#define ON_OWN_STACK __attribute__((no_sanitize_address)) static

static struct start *running;
static int waiter_pid;

/* clone(2) into fn(s) on a stack of its own; libc's clone would touch its thread descriptor. */
static __attribute__((noinline)) long spawn(unsigned long flags, char *stack_top, int (*fn)(struct start *),
					    struct start *s)
{
	void **sp = (void **)stack_top;
	*--sp = s;
	*--sp = (void *)fn;
	long ret;
	register long r10 __asm__("r10") = 0;
	register long r8 __asm__("r8") = 0;
	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "pop %%rax\n\t"
			 "pop %%rdi\n\t"
			 "call *%%rax\n\t"
			 "mov %%eax, %%edi\n\t"
			 "mov %[exit], %%eax\n\t"
			 "syscall\n\t"
			 "hlt\n"
			 "1:"
			 : "=a"(ret)
			 : "a"(SYS_clone), "D"(flags), "S"(sp), "d"(0), "r"(r10), "r"(r8), [exit] "i"(SYS_exit_group)
			 : "rcx", "r11", "memory");
	return ret;
}

ON_OWN_STACK void close_from(int first)
{
	if (sys3(SYS_close_range, first, ~0u, 0) == 0)
		return;
	/* Before Linux 5.9. */
	struct rlimit lim = { 0, 0 };
	sys4(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &lim);
	int last = lim.rlim_cur < 65536 ? (int)lim.rlim_cur : 65536;
	for (int fd = first; fd < last; fd++)
		sys1(SYS_close, fd);
}

/* What the kernel takes: libc's struct sigaction looks different. */
struct kernel_sigaction {
	void *handler;
	unsigned long flags;
	void *restorer;
	uint64_t mask;
};

/* In the reporter-to-be. Handlers go first: one of the target's must never run here, in the target's memory. */
ON_OWN_STACK int run_report(struct start *s)
{
	const struct kernel_sigaction dfl = { 0 };
	for (int sig = 1; sig <= NR_SIGNALS; sig++)
		sys4(SYS_rt_sigaction, sig, &dfl, NULL, sizeof dfl.mask);
	/* Out of the way of 0, 1 and 2 before those are set: either may be one of them. */
	long sock = sys3(SYS_fcntl, s->sock, F_DUPFD, 3), err = -EBADF;
	if (s->how.err_fd >= 0)
		err = sys3(SYS_fcntl, s->how.err_fd, F_DUPFD, 3);
	if (err < 0) {
		long null = sys4(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR, 0);
		err = sys3(SYS_fcntl, null, F_DUPFD, 3);
	}
	if (sock < 0 || err < 0) {
		s->error = (int)(sock < 0 ? sock : err);
		return 127;
	}
	sys3(SYS_dup3, sock, 0, 0);
	sys3(SYS_dup3, err, 1, 0);
	sys3(SYS_dup3, err, 2, 0);
	close_from(3);
	const uint64_t none = 0;
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof none);
	s->error = (int)sys3(SYS_execve, s->how.command, s->how.argv, s->env);
	return 127;
}

/* Everything is blocked here: Ctrl-C and handlers are the target's. */
ON_OWN_STACK int wait_for_report(struct start *s)
{
	sys0(SYS_setsid);
	sys2(SYS_prctl, PR_SET_NAME, "snarl-wait");
	long child = spawn(CLONE_VM | CLONE_VFORK | SIGCHLD, s->stack_top[1], run_report, s);
	if (child < 0)
		s->error = (int)child;
	/* Or the target's pipes would not end with the target. */
	close_from(0);
	atomic_store(&s->started, 1);
	sys_futex_wake(&s->started, 1);
	while (child > 0 && sys4(SYS_wait4, child, NULL, __WALL, NULL) == -EINTR)
		;
	return 0;
}

static bool not_for_reporter(const char *var)
{
	return strncmp(var, "LD_PRELOAD=", 11) == 0 || strncmp(var, "SNARL_", 6) == 0;
}

static struct start *prepare(const struct reporter_how *how)
{
	size_t nr = 0;
	while (environ && environ[nr])
		nr++;
	size_t head = (sizeof(struct start) + (nr + 1) * sizeof(char *) + 15) & ~(size_t)15;
	size_t bytes = head + 2 * STACK_BYTES;
	struct start *s = sys_map(bytes);
	if (!s)
		return NULL;
	s->how = *how;
	s->bytes = bytes;
	s->stack_top[0] = (char *)s + head + STACK_BYTES;
	s->stack_top[1] = s->stack_top[0] + STACK_BYTES;
	/* Another thread may be in setenv: count again. */
	size_t kept = 0;
	for (size_t i = 0; i < nr && environ[i]; i++)
		if (!not_for_reporter(environ[i]))
			s->env[kept++] = environ[i];
	return s;
}

static void forget(struct start *s)
{
	sys_unmap(s, s->bytes);
	running = NULL;
	waiter_pid = 0;
}

int reporter_start(const struct reporter_how *how)
{
	int pair[2];
	long r = sys4(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
	if (r < 0)
		return (int)r;
	struct start *s = prepare(how);
	if (!s) {
		sys1(SYS_close, pair[0]);
		sys1(SYS_close, pair[1]);
		return -ENOMEM;
	}
	s->sock = pair[1];
	const uint64_t all = ~0ull;
	uint64_t old;
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, sizeof old);
	long pid = spawn(CLONE_VM, s->stack_top[0], wait_for_report, s);
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof old);
	sys1(SYS_close, pair[1]);
	r = pid < 0 ? pid : 0;
	if (pid > 0) {
		uint64_t deadline = sys_clock_ns() + START_PATIENCE_NS;
		while (!atomic_load(&s->started) && sys_clock_ns() < deadline)
			sys_futex_wait(&s->started, 0, 100000000);
		r = atomic_load(&s->started) ? s->error : -ETIMEDOUT;
		running = s;
		waiter_pid = (int)pid;
	}
	if (r == 0)
		return pair[0];
	sys1(SYS_close, pair[0]);
	if (pid < 0)
		forget(s);
	else
		reporter_finish(START_PATIENCE_NS); /* it has nothing to wait for */
	return (int)r;
}

void reporter_finish(uint64_t timeout_ns)
{
	uint64_t deadline = sys_clock_ns() + timeout_ns;
	struct timespec nap = { 0, 500000 };
	while (waiter_pid) {
		/* Its pid alone, and __WALL: the target's own children are the target's to reap. */
		long r = sys4(SYS_wait4, waiter_pid, NULL, __WALL | WNOHANG, NULL);
		if (r == waiter_pid || r == -ECHILD || r == -EPERM) { /* EPERM: confined (base/sys.h) */
			forget(running);
			return;
		}
		if (sys_clock_ns() >= deadline)
			return;
		sys2(SYS_nanosleep, &nap, NULL);
		if (nap.tv_nsec < 10000000)
			nap.tv_nsec *= 2;
	}
}

void reporter_fork_child(void)
{
	if (running)
		forget(running);
}
