/* EXPECT: nothing [stall:advice] [signal-no-mutex] */
/* One sleeper each, woken after a while by something that no hook has seen coming: not a stall to end a program for. */
#include "basics.h"
#include "invisible.h"
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define WHILE_MS 1200 /* longer than anybody who watches for sleepers waits */
#define GAPS     15000L

static sem_t sem;

static void post(int sig)
{
	(void)sig;
	sem_post(&sem);
}

static void post_value(union sigval v)
{
	(void)v;
	sem_post(&sem);
}

/* A process that shares our memory and is no thread of ours; nothing of libc is to be used in it. */
static int post_by_hand(void *arg)
{
	invisible_sleep_ms(WHILE_MS);
	__atomic_fetch_add((int *)(void *)&sem, 1, __ATOMIC_SEQ_CST);
	invisible_syscall6(SYS_futex, (long)&sem, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
	return arg != NULL;
}

static void wait_for(sem_t *s)
{
	while (sem_wait(s) != 0)
		MUST(errno == EINTR);
}

/* ---- the ways; each in a process of its own -----------------------------------------------------------------------
 */

static void handler_bsd(void)
{
	MUST(signal(SIGUSR1, post) != SIG_ERR);
	wait_for(&sem);
}

static void handler_sysv(void)
{
	MUST(sysv_signal(SIGUSR1, post) != SIG_ERR);
	wait_for(&sem);
}

/* Installed where no hook looks. */
static void handler_raw(void)
{
	struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		unsigned long mask;
	} sa = { 0 };
	struct sigaction libc;

	MUST(signal(SIGUSR2, SIG_DFL) != SIG_ERR);
	/* libc's restorer: the kernel insists on one. */
	MUST(sigaction(SIGALRM, &(struct sigaction){ .sa_handler = SIG_IGN }, &libc) == 0);
	MUST(invisible_syscall6(SYS_rt_sigaction, SIGALRM, 0, (long)&sa, 8, 0, 0) == 0);
	sa.handler = post;
	MUST(invisible_syscall6(SYS_rt_sigaction, SIGUSR1, (long)&sa, 0, 8, 0, 0) == 0);
	wait_for(&sem);
}

static void timer_thread(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD };
	struct itimerspec in = { .it_value = { WHILE_MS / 1000, WHILE_MS % 1000 * 1000000L } };
	timer_t timer;

	event.sigev_notify_function = post_value;
	MUST(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	MUST(timer_settime(timer, 0, &in, NULL) == 0);
	wait_for(&sem);
}

static void shared_memory_process(void)
{
	char *stack = malloc(65536);
	int status;
	pid_t child = clone(post_by_hand, stack + 65536, CLONE_VM | SIGCHLD, NULL);

	MUST(child > 0);
	wait_for(&sem);
	MUST(waitpid(child, &status, 0) == child);
}

static void *waits_for_signal(void *arg)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	OK(sigwait(&set, &sig));
	sem_post(&sem);
	return arg;
}

static void sigwait_thread(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
	pthread_t t = start(waits_for_signal);
	wait_for(&sem);
	finish(t);
}

/* A new image that got a shared semaphore from the old one, below a megabyte of other mappings. */
static void inherited_semaphore(int fd)
{
	sem_t *s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *p = mmap((void *)0x200000000000, 2 * GAPS * 4096, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);

	MUST(s != MAP_FAILED && p != MAP_FAILED);
	for (long i = 0; i < GAPS; i++)
		MUST(mprotect(p + i * 8192, 4096, PROT_READ) == 0);
	wait_for(s);
}

static void (*const ways[])(void) = { handler_bsd,  handler_sysv,          handler_raw,
				      timer_thread, shared_memory_process, sigwait_thread };
#define WAYS (sizeof(ways) / sizeof(ways[0]))

int main(int argc, char **argv)
{
	pid_t child[WAYS + 1];
	sem_t *shared;
	char number[12];
	int fd, status;

	if (argc > 1) {
		inherited_semaphore(atoi(argv[1]));
		return 0;
	}
	sem_init(&sem, 0, 0);
	fd = memfd_create("shared", 0);
	MUST(fd >= 0 && ftruncate(fd, 4096) == 0);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	MUST(shared != MAP_FAILED && sem_init(shared, 1, 0) == 0);
	snprintf(number, sizeof(number), "%d", fd);
	for (unsigned i = 0; i <= WAYS; i++) {
		MUST((child[i] = fork()) >= 0);
		if (child[i])
			continue;
		if (i < WAYS)
			ways[i]();
		else
			execl(argv[0], argv[0], number, NULL);
		exit(i < WAYS ? 0 : TEST_BROKEN);
	}
	invisible_sleep_ms(WHILE_MS);
	sem_post(shared);
	for (unsigned i = 0; i <= WAYS; i++) {
		if (i < WAYS && ways[i] != timer_thread && ways[i] != shared_memory_process)
			kill(child[i], SIGUSR1);
		MUST(waitpid(child[i], &status, 0) == child[i] && status == 0);
	}
	return 0;
}
