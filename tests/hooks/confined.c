/*
 * confined.c WAY - Finds something, shuts itself in so that whatever it does not need itself kills it, finds something
 * else; ends with status 3. strict: the kernel's own list of four calls, for one thread. hang: deadlocks at the end.
 */
#include "basics.h"
#include "invisible.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <unistd.h>

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER, b = PTHREAD_MUTEX_INITIALIZER, c = PTHREAD_MUTEX_INITIALIZER;
static struct meeting both;
static struct gate first_done;
static int hangs;

/* What libc needs for threads, locks and write. */
static const int allowed[] = {
	SYS_write,   SYS_futex, SYS_exit,   SYS_exit_group,     SYS_mmap, SYS_munmap,          SYS_mprotect,
	SYS_madvise, SYS_brk,   SYS_clone3, SYS_rt_sigprocmask, SYS_rseq, SYS_set_robust_list, SYS_nanosleep
};

#define NR_ALLOWED (sizeof(allowed) / sizeof(allowed[0]))

static void confine(const char *way)
{
	struct sock_filter f[2 * NR_ALLOWED + 2];
	struct sock_fprog p = { 0, f };

	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	if (strcmp(way, "strict") == 0) {
		MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0) == 0);
		return;
	}
	/* A question, as libraries put it; it is no confinement. */
	MUST(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL) == -1 && errno == EFAULT);
	f[p.len++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (unsigned i = 0; i < NR_ALLOWED; i++) {
		f[p.len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)allowed[i], 0, 1);
		f[p.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	}
	f[p.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	if (strcmp(way, "prctl") == 0)
		MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p, 0, 0) == 0);
	else
		MUST(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &p) == 0);
}

static void *order(void *arg)
{
	pthread_mutex_t *first = arg ? &b : &a, *second = arg ? &a : &b;

	if (!hangs && arg)
		gate_wait(&first_done);
	pthread_mutex_lock(first);
	if (hangs)
		meet(&both, 2);
	pthread_mutex_lock(second);
	pthread_mutex_unlock(second);
	pthread_mutex_unlock(first);
	gate_open(&first_done);
	return NULL;
}

static void orders(void)
{
	pthread_t t = start(order), u = start_with(order, &a);

	finish(t);
	finish(u);
}

static void *contend(void *arg)
{
	for (int i = 0; i < 200; i++) {
		pthread_mutex_lock(&c);
		for (volatile int k = 0; k < 2000; k++)
			;
		pthread_mutex_unlock(&c);
	}
	return arg;
}

int main(int argc, char **argv)
{
	const char *way = argc > 1 ? argv[1] : "seccomp";
	pthread_t early;
	int alone = strcmp(way, "strict") == 0;

	pthread_mutex_unlock(&c); /* unlock-not-held */
	if (!alone) {
		early = start(contend);
		confine(way);
		finish(early);
		finish(start(contend));
		run_two(contend, contend);
		orders(); /* lock-order */
		hangs = strcmp(way, "hang") == 0;
		if (hangs)
			orders();
	} else {
		confine(way);
		pthread_mutex_lock(&a);
		pthread_mutex_lock(&b);
		pthread_mutex_unlock(&b);
		pthread_mutex_unlock(&a);
		pthread_mutex_unlock(&a);
	}
	invisible_syscall6(SYS_write, 1, (long)"through\n", 8, 0, 0, 0);
	invisible_syscall6(alone ? SYS_exit : SYS_exit_group, 3, 0, 0, 0, 0, 0);
	return 0;
}
