/*
 * invisible.h - Order between threads that the detector cannot see: raw futexes, by an inline `syscall` instruction.
 *
 * A test that needs "this happens before that" must not use what is under test: a semaphore or a join would order
 * the two for the detector as well and hide what the test is about, and a sleep only hopes. No function of libc is
 * called here, so nothing is interposed. C and C++.
 */
#ifndef TESTS_INVISIBLE_H
#define TESTS_INVISIBLE_H

#include <linux/futex.h>
#include <sys/syscall.h>

static inline long invisible_syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline void invisible_futex_wait(int *word, int while_it_is)
{
	invisible_syscall6(SYS_futex, (long)word, FUTEX_WAIT, while_it_is, 0, 0, 0);
}

static inline void invisible_futex_wake_all(int *word)
{
	invisible_syscall6(SYS_futex, (long)word, FUTEX_WAKE, 0x7fffffff, 0, 0, 0);
}

/* A gate: once open, everybody passes. Zero-initialised is shut; lies in shared memory if it is to serve two processes.
 */
struct gate {
	int open;
};

static inline void gate_open(struct gate *g)
{
	__atomic_store_n(&g->open, 1, __ATOMIC_SEQ_CST);
	invisible_futex_wake_all(&g->open);
}

static inline void gate_wait(struct gate *g)
{
	while (!__atomic_load_n(&g->open, __ATOMIC_SEQ_CST))
		invisible_futex_wait(&g->open, 0);
}

/* A meeting: each of the first n callers waits until all n are there; the next n meet again. Zero-initialised. */
struct meeting {
	int here;
	int round;
};

static inline void meet(struct meeting *m, int n)
{
	int round = __atomic_load_n(&m->round, __ATOMIC_SEQ_CST);

	if (__atomic_add_fetch(&m->here, 1, __ATOMIC_SEQ_CST) == n) {
		__atomic_store_n(&m->here, 0, __ATOMIC_SEQ_CST);
		__atomic_add_fetch(&m->round, 1, __ATOMIC_SEQ_CST);
		invisible_futex_wake_all(&m->round);
		return;
	}
	while (__atomic_load_n(&m->round, __ATOMIC_SEQ_CST) == round)
		invisible_futex_wait(&m->round, round);
}

/* Lets `ms` milliseconds pass. Only for "time must pass here", never for order. */
static inline void invisible_sleep_ms(long ms)
{
	struct {
		long s, ns;
	} t = { ms / 1000, ms % 1000 * 1000000 };

	invisible_syscall6(SYS_nanosleep, (long)&t, 0, 0, 0, 0, 0);
}

static inline int invisible_gettid(void)
{
	return (int)invisible_syscall6(SYS_gettid, 0, 0, 0, 0, 0, 0);
}

/* Waits until the kernel has no thread `tid` of this process any more. */
static inline void invisible_await_end(int tid)
{
	int pid = (int)invisible_syscall6(SYS_getpid, 0, 0, 0, 0, 0, 0);

	while (invisible_syscall6(SYS_tgkill, pid, tid, 0, 0, 0, 0) == 0)
		invisible_sleep_ms(1);
}

#endif
