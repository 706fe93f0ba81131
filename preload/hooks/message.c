/*
 * message.c - Order through messages, semaphores of System V and signals, for the race detector.
 *
 * A signal sent comes before its handler, however it is sent; the handler's side is in the signal wrapper (watch/signals.c).
 */
#include "base/masks.h"
#include "hooks/io.h"

#include <mqueue.h>
#include <pthread.h>
#include <signal.h>
#include <sys/msg.h>
#include <sys/sem.h>

#define KEY_IPC(kind, id) (1ul << 62 | 1ul << 60 | (uintptr_t)(kind) << 40 | (uintptr_t)(unsigned)(id) << 2)
enum { QUEUE, SEMAPHORES };

HOT void goes(uintptr_t key)
{
	if (unlikely(race_on))
		io_goes_key_slow(key);
}

HOT void came(uintptr_t key, bool ok)
{
	if (unlikely(race_on && ok))
		io_came_key_slow(key);
}

/* A message queue is a descriptor. */
IO_GOES(int, mq_send, (mqd_t q, const char *p, size_t n, unsigned prio), (q, p, n, prio), q)
IO_GOES(int, mq_timedsend, (mqd_t q, const char *p, size_t n, unsigned prio, const struct timespec *limit), (q, p, n, prio, limit), q)
IO_CAME(ssize_t, mq_receive, (mqd_t q, char *p, size_t n, unsigned *prio), (q, p, n, prio), q)
IO_CAME(ssize_t, mq_timedreceive, (mqd_t q, char *restrict p, size_t n, unsigned *restrict prio, const struct timespec *restrict limit),
	(q, p, n, prio, limit), q)

INTERPOSE(int, msgsnd, (int q, const void *p, size_t n, int flags))
{
	goes(KEY_IPC(QUEUE, q));
	return REAL(msgsnd)(q, p, n, flags);
}

INTERPOSE(ssize_t, msgrcv, (int q, void *p, size_t n, long type, int flags))
{
	ssize_t r = REAL(msgrcv)(q, p, n, type, flags);
	came(KEY_IPC(QUEUE, q), r >= 0);
	return r;
}

/* Whether it takes or gives is a matter of its operations: both, then. */
INTERPOSE(int, semop, (int set, struct sembuf *ops, size_t n))
{
	goes(KEY_IPC(SEMAPHORES, set));
	int r = REAL(semop)(set, ops, n);
	came(KEY_IPC(SEMAPHORES, set), r == 0);
	return r;
}

INTERPOSE(int, semtimedop, (int set, struct sembuf *ops, size_t n, const struct timespec *limit))
{
	goes(KEY_IPC(SEMAPHORES, set));
	int r = REAL(semtimedop)(set, ops, n, limit);
	came(KEY_IPC(SEMAPHORES, set), r == 0);
	return r;
}

INTERPOSE(int, kill, (pid_t pid, int nr))
{
	goes(KEY_SIGNAL(nr));
	return REAL(kill)(pid, nr);
}

INTERPOSE(int, raise, (int nr))
{
	goes(KEY_SIGNAL(nr));
	return REAL(raise)(nr);
}

INTERPOSE(int, pthread_kill, (pthread_t thread, int nr))
{
	goes(KEY_SIGNAL(nr));
	return REAL(pthread_kill)(thread, nr);
}

INTERPOSE(int, sigqueue, (pid_t pid, int nr, const union sigval value))
{
	goes(KEY_SIGNAL(nr));
	return REAL(sigqueue)(pid, nr, value);
}

INTERPOSE(int, pthread_sigqueue, (pthread_t thread, int nr, const union sigval value))
{
	goes(KEY_SIGNAL(nr));
	return REAL(pthread_sigqueue)(thread, nr, value);
}

INTERPOSE(int, tgkill, (pid_t pid, pid_t tid, int nr))
{
	goes(KEY_SIGNAL(nr));
	return REAL(tgkill)(pid, tid, nr);
}

/* What is waited for is blocked, for the kernel as well (base/masks.h). */
#define WAITED(call)                                                                            \
	({                                                                                      \
		bool b_ __attribute__((cleanup(masks_waited), unused)) = masks_on && masks_wait_begin(masks.blocked); \
		(call);                                                                         \
	})

INTERPOSE(int, sigwait, (const sigset_t *restrict set, int *restrict nr))
{
	int r = WAITED(REAL(sigwait)(set, nr));
	came(r == 0 ? KEY_SIGNAL(*nr) : 0, r == 0);
	return r;
}

INTERPOSE(int, sigwaitinfo, (const sigset_t *restrict set, siginfo_t *restrict info))
{
	int r = WAITED(REAL(sigwaitinfo)(set, info));
	came(KEY_SIGNAL(r), r > 0);
	return r;
}

INTERPOSE(int, sigtimedwait, (const sigset_t *restrict set, siginfo_t *restrict info, const struct timespec *restrict limit))
{
	int r = WAITED(REAL(sigtimedwait)(set, info, limit));
	came(KEY_SIGNAL(r), r > 0);
	return r;
}
