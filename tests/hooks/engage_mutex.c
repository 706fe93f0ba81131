/* engage_mutex.c - Every mutex call, in success and in error, for every type; hooks.test compares with a run without
 * snarl. */
#include "show.h"

static pthread_mutex_t m;
static int type;

static void *try_from_other(void *arg)
{
	struct timespec past = in_ms(CLOCK_REALTIME, -10), soon = in_ms(CLOCK_REALTIME, 5);
	struct timespec mono = in_ms(CLOCK_MONOTONIC, 5), bad = { .tv_sec = soon.tv_sec, .tv_nsec = 2000000000 };

	SHOW(pthread_mutex_trylock(&m));
	SHOW(pthread_mutex_timedlock(&m, &past));
	SHOW(pthread_mutex_timedlock(&m, &soon));
	SHOW(pthread_mutex_timedlock(&m, &bad));
	SHOW(pthread_mutex_clocklock(&m, CLOCK_MONOTONIC, &mono));
	SHOW(pthread_mutex_clocklock(&m, CLOCK_REALTIME, &past));
	SHOW(pthread_mutex_clocklock(&m, CLOCK_PROCESS_CPUTIME_ID, &soon));
	SHOW(pthread_mutex_destroy(&m));
	if (type == PTHREAD_MUTEX_ERRORCHECK || type == PTHREAD_MUTEX_RECURSIVE)
		SHOW(pthread_mutex_unlock(&m));
	return arg;
}

static void *lock_blocking(void *arg)
{
	track = "blocking";
	SHOW(pthread_mutex_lock(&m));
	SHOW(pthread_mutex_unlock(&m));
	return arg;
}

static void *lock_and_end(void *arg)
{
	SHOW(pthread_mutex_lock(&m));
	return arg;
}

static void one(int robust, int protocol, int pshared)
{
	struct timespec soon = in_ms(CLOCK_REALTIME, 5), mono = in_ms(CLOCK_MONOTONIC, 5);
	pthread_mutexattr_t attr;
	pthread_t t;

	OK(pthread_mutexattr_init(&attr));
	OK(pthread_mutexattr_settype(&attr, type));
	OK(pthread_mutexattr_setrobust(&attr, robust));
	OK(pthread_mutexattr_setprotocol(&attr, protocol));
	OK(pthread_mutexattr_setpshared(&attr, pshared));
	SHOW(pthread_mutex_init(&m, &attr));
	pthread_mutexattr_destroy(&attr);
	SHOW(pthread_mutex_lock(&m));
	SHOW(pthread_mutex_trylock(&m));
	if (type == PTHREAD_MUTEX_ERRORCHECK || type == PTHREAD_MUTEX_RECURSIVE)
		SHOW(pthread_mutex_lock(&m));
	SHOW(pthread_mutex_timedlock(&m, &soon));
	SHOW(pthread_mutex_clocklock(&m, CLOCK_MONOTONIC, &mono));
	SHOW(pthread_mutex_destroy(&m));
	in_other(try_from_other);
	if (type == PTHREAD_MUTEX_RECURSIVE)
		for (int i = 0; i < 4; i++)
			SHOW(pthread_mutex_unlock(&m));
	else
		SHOW(pthread_mutex_unlock(&m));
	if (type == PTHREAD_MUTEX_ERRORCHECK || type == PTHREAD_MUTEX_RECURSIVE)
		SHOW(pthread_mutex_unlock(&m));
	SHOW(pthread_mutex_timedlock(&m, &soon));
	t = start(lock_blocking);
	invisible_sleep_ms(5);
	SHOW(pthread_mutex_unlock(&m));
	finish(t);
	SHOW(pthread_mutex_consistent(&m));
	if (robust == PTHREAD_MUTEX_ROBUST) {
		in_other(lock_and_end);
		SHOW(pthread_mutex_trylock(&m));
		SHOW(pthread_mutex_consistent(&m));
		SHOW(pthread_mutex_unlock(&m));
		in_other(lock_and_end);
		SHOW(pthread_mutex_timedlock(&m, &soon));
		SHOW(pthread_mutex_unlock(&m)); /* not made consistent */
		SHOW(pthread_mutex_lock(&m));
		SHOW(pthread_mutex_trylock(&m));
		in_other(try_from_other);
	}
	SHOW(pthread_mutex_destroy(&m));
	SHOW(pthread_mutex_lock(&m)); /* destroyed: the kind is invalid now */
	SHOW(pthread_mutex_trylock(&m));
	SHOW(pthread_mutex_unlock(&m));
	SHOW(pthread_mutex_destroy(&m));
}

static void handler(int sig)
{
	(void)sig;
}

static void *holder(void *arg)
{
	struct gate *held = arg;

	OK(pthread_mutex_lock(&m));
	gate_open(held);
	invisible_sleep_ms(20);
	OK(pthread_mutex_unlock(&m));
	return NULL;
}

/* A signal never makes a lock call return. */
static void under_signals(void)
{
	struct sigaction sa = { .sa_handler = handler };
	struct pestered p = { .thread = pthread_self(), .sig = SIGUSR1, .max = 1000 };
	struct gate held = { 0 };
	struct timespec soon;
	pthread_t t, u;

	SHOW(pthread_mutex_init(&m, NULL));
	OK(sigaction(SIGUSR1, &sa, NULL));
	t = start_with(holder, &held);
	gate_wait(&held);
	u = start_with(pester, &p);
	SHOW(pthread_mutex_lock(&m));
	soon = in_ms(CLOCK_REALTIME, 10);
	SHOW(pthread_mutex_timedlock(&m, &soon));
	p.done = 1;
	finish(u);
	finish(t);
	SHOW(pthread_mutex_unlock(&m));
	SHOW(pthread_mutex_destroy(&m));
}

int main(void)
{
	static const int types[] = { PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK,
				     PTHREAD_MUTEX_ADAPTIVE_NP };
	static const char *const names[] = { "normal", "recursive", "errorcheck", "adaptive" };

	for (int i = 0; i < 4; i++) {
		type = types[i];
		for (int variant = 0; variant < 8; variant++) {
			/* glibc locks a normal PI mutex through FUTEX_LOCK_PI, which fails on relock; that is part of
			 * it. */
			say(names[i]);
			say(variant & 1 ? "robust" : "stalled");
			say(variant & 2 ? "pi" : "no protocol");
			say(variant & 4 ? "shared" : "private");
			one(variant & 1 ? PTHREAD_MUTEX_ROBUST : PTHREAD_MUTEX_STALLED,
			    variant & 2 ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE,
			    variant & 4 ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE);
		}
	}
	under_signals();
	return 0;
}
