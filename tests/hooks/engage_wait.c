/* engage_wait.c - Conditions, barriers and semaphores, with time-outs, signals and errors; hooks.test compares with a
 * run without snarl. */
#include "show.h"
#include <limits.h>
#include <semaphore.h>
#include <sys/stat.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t b;
static sem_t s;
static int ready;

static void handler(int sig)
{
	(void)sig;
}

static void *signaller(void *arg)
{
	track = "signaller";
	OK(pthread_mutex_lock(&m));
	ready = 1;
	SHOW_AS("signal or broadcast", arg ? pthread_cond_broadcast(&c) : pthread_cond_signal(&c));
	OK(pthread_mutex_unlock(&m));
	return NULL;
}

static void conditions(void)
{
	struct timespec t = in_ms(CLOCK_REALTIME, 5), bad = { .tv_sec = t.tv_sec, .tv_nsec = 1000000000 };
	struct timespec mono = in_ms(CLOCK_MONOTONIC, 5);
	pthread_mutex_t errorcheck = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
	pthread_condattr_t attr;
	pthread_t other;
	pthread_cond_t d;

	SHOW(pthread_cond_signal(&c));
	SHOW(pthread_cond_broadcast(&c));
	SHOW(pthread_mutex_lock(&m));
	SHOW(pthread_cond_timedwait(&c, &m, &t));
	SHOW(pthread_cond_timedwait(&c, &m, &t)); /* in the past */
	SHOW(pthread_cond_timedwait(&c, &m, &bad));
	SHOW(pthread_cond_clockwait(&c, &m, CLOCK_MONOTONIC, &mono));
	SHOW(pthread_cond_clockwait(&c, &m, CLOCK_REALTIME, &t));
	SHOW(pthread_cond_clockwait(&c, &m, CLOCK_PROCESS_CPUTIME_ID, &t));
	for (int i = 0; i < 2; i++) {
		ready = 0;
		other = start_with(signaller, i ? &c : NULL);
		while (!ready)
			SHOW(pthread_cond_wait(&c, &m));
		finish(other);
	}
	SHOW(pthread_mutex_unlock(&m));
	SHOW(pthread_cond_timedwait(&c, &errorcheck, &t)); /* not held: EPERM */
	SHOW(pthread_cond_destroy(&c));
	OK(pthread_condattr_init(&attr));
	OK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
	OK(pthread_condattr_setpshared(&attr, PTHREAD_PROCESS_SHARED));
	SHOW(pthread_cond_init(&d, &attr));
	SHOW(pthread_mutex_lock(&m));
	mono = in_ms(CLOCK_MONOTONIC, 5);
	SHOW(pthread_cond_timedwait(&d, &m, &mono));
	SHOW(pthread_mutex_unlock(&m));
	SHOW(pthread_cond_destroy(&d));
}

static int serials;

static void *at_barrier(void *arg)
{
	int r = pthread_barrier_wait(&b);

	if (r == PTHREAD_BARRIER_SERIAL_THREAD)
		__atomic_add_fetch(&serials, 1, __ATOMIC_SEQ_CST);
	else
		MUST(r == 0);
	return arg;
}

static void barriers(void)
{
	pthread_barrierattr_t attr;

	OK(pthread_barrierattr_init(&attr));
	OK(pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED));
	SHOW(pthread_barrier_init(&b, &attr, 0));
	SHOW(pthread_barrier_init(&b, &attr, 1));
	SHOW(pthread_barrier_wait(&b));
	SHOW(pthread_barrier_wait(&b));
	SHOW(pthread_barrier_destroy(&b));
	SHOW(pthread_barrier_init(&b, NULL, 2));
	run_two(at_barrier, at_barrier);
	SHOW(serials);
	SHOW(pthread_barrier_destroy(&b));
}

static void *post_late(void *arg)
{
	track = "poster";
	invisible_sleep_ms(5);
	SHOW_AS("sem_post", sem_post(arg));
	return NULL;
}

static void sem_calls(sem_t *p)
{
	struct timespec t = in_ms(CLOCK_REALTIME, 5), mono = in_ms(CLOCK_MONOTONIC, 5);
	struct timespec bad = { .tv_sec = t.tv_sec, .tv_nsec = -5 };
	pthread_t other;
	int value = -1;

	SHOW(sem_wait(p));
	SHOW(sem_trywait(p));
	SHOW(sem_timedwait(p, &t));
	SHOW(sem_timedwait(p, &t));
	SHOW(sem_timedwait(p, &bad));
	SHOW(sem_clockwait(p, CLOCK_MONOTONIC, &mono));
	SHOW(sem_clockwait(p, CLOCK_PROCESS_CPUTIME_ID, &mono));
	SHOW(sem_getvalue(p, &value));
	SHOW(value);
	other = start_with(post_late, p);
	SHOW(sem_wait(p));
	finish(other);
	SHOW(sem_post(p));
	SHOW(sem_trywait(p));
	SHOW(sem_post(p));
	SHOW(sem_timedwait(p, &bad)); /* available: the time is not looked at */
	SHOW(sem_post(p));
}

/* One call under signals, for handlers that restart and handlers that do not. */
static void interrupted(int flags)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = flags };
	struct timespec t;
	pthread_t other;

	say(flags ? "SA_RESTART" : "no SA_RESTART");
	OK(sigaction(SIGUSR1, &sa, NULL));
	for (int call = 0; call < 4; call++) {
		/* With SA_RESTART somebody has to post in the end; without it one signal is enough. */
		struct pestered p = { .thread = pthread_self(), .sig = SIGUSR1, .max = flags ? 10 : 5000 };

		MUST(sem_init(&s, 0, 0) == 0);
		other = start_with(pester, &p);
		t = in_ms(call == 2 ? CLOCK_MONOTONIC : CLOCK_REALTIME, flags ? 50 : 20000);
		switch (call) {
		case 0:
			if (!flags)
				SHOW(sem_wait(&s));
			break;
		case 1:
			SHOW(sem_timedwait(&s, &t));
			break;
		case 2:
			SHOW(sem_clockwait(&s, CLOCK_MONOTONIC, &t));
			break;
		case 3:
			OK(pthread_mutex_lock(&m));
			OK(pthread_cond_init(&c, NULL));
			t = in_ms(CLOCK_REALTIME, 20);
			SHOW(pthread_cond_timedwait(&c, &m, &t));
			OK(pthread_mutex_unlock(&m));
		}
		__atomic_store_n(&p.done, 1, __ATOMIC_SEQ_CST);
		finish(other);
		SHOW(sem_destroy(&s));
	}
	if (flags) {
		struct pestered p = { .thread = pthread_self(), .sig = SIGUSR1, .max = 5 };

		MUST(sem_init(&s, 0, 0) == 0);
		other = start_with(pester, &p);
		finish(start_with(post_late, &s));
		SHOW(sem_wait(&s));
		finish(other);
	}
}

int main(void)
{
	char name[64];
	sem_t *named;

	conditions();
	barriers();
	SHOW(sem_init(&s, 0, (unsigned)SEM_VALUE_MAX + 1u));
	SHOW(sem_init(&s, 0, SEM_VALUE_MAX));
	SHOW(sem_post(&s));
	SHOW(sem_destroy(&s));
	SHOW(sem_init(&s, 1, 1));
	sem_calls(&s);
	SHOW(sem_destroy(&s));
	snprintf(name, sizeof(name), "/snarl-engage-%ld", (long)getpid());
	SHOW(sem_open("/no/such", 0) == SEM_FAILED);
	SHOW(sem_open(name, 0) == SEM_FAILED);
	SHOW((named = sem_open(name, O_CREAT | O_EXCL, 0600, 1)) == SEM_FAILED);
	SHOW(sem_open(name, O_CREAT | O_EXCL, 0600, 1) == SEM_FAILED);
	SHOW(sem_open(name, 0) == named);
	if (named != SEM_FAILED) {
		sem_calls(named);
		SHOW(sem_close(named));
		SHOW(sem_close(named));
	}
	SHOW(sem_unlink(name));
	SHOW(sem_unlink(name));
	interrupted(0);
	interrupted(SA_RESTART);
	return 0;
}
