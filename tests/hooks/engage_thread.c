/* engage_thread.c - Create, join and its relatives, exit, cancellation, once; hooks.test compares with a run without
 * snarl. */
#include "show.h"
#include <semaphore.h>

static struct gate end;
static pthread_once_t once;
static pthread_key_t key;

static void *wait_for_end(void *arg)
{
	gate_wait(&end);
	return arg;
}

static void *exits(void *arg)
{
	pthread_exit((char *)arg + 1);
}

static void *detaches_itself(void *arg)
{
	track = "detached";
	SHOW(pthread_detach(pthread_self()));
	SHOW(pthread_detach(pthread_self()));
	gate_open(arg);
	return NULL;
}

static void joins(void)
{
	struct timespec soon = in_ms(CLOCK_REALTIME, 5), mono = in_ms(CLOCK_MONOTONIC, 5);
	struct gate detached = { 0 };
	pthread_attr_t attr;
	void *result = NULL;
	pthread_t t;

	SHOW(pthread_create(&t, NULL, wait_for_end, (void *)42));
	SHOW(pthread_tryjoin_np(t, &result));
	SHOW(pthread_timedjoin_np(t, &result, &soon));
	SHOW(pthread_clockjoin_np(t, &result, CLOCK_MONOTONIC, &mono));
	SHOW(pthread_clockjoin_np(t, &result, CLOCK_PROCESS_CPUTIME_ID, &mono));
	SHOW(pthread_join(pthread_self(), NULL));
	SHOW(pthread_tryjoin_np(pthread_self(), NULL));
	gate_open(&end);
	SHOW(pthread_join(t, &result));
	SHOW(result);
	OK(pthread_create(&t, NULL, exits, (void *)10));
	mono = in_ms(CLOCK_MONOTONIC, 5000);
	SHOW(pthread_clockjoin_np(t, &result, CLOCK_MONOTONIC, &mono));
	SHOW(result);
	OK(pthread_create(&t, NULL, exits, (void *)20));
	SHOW(pthread_timedjoin_np(t, &result, NULL));
	SHOW(result);
	OK(pthread_attr_init(&attr));
	OK(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED));
	memset(&end, 0, sizeof(end));
	SHOW(pthread_create(&t, &attr, wait_for_end, NULL));
	SHOW(pthread_join(t, NULL));
	SHOW(pthread_tryjoin_np(t, NULL));
	SHOW(pthread_detach(t));
	gate_open(&end);
	OK(pthread_create(&t, NULL, detaches_itself, &detached));
	gate_wait(&detached);
	OK(pthread_attr_destroy(&attr));
	OK(pthread_attr_init(&attr));
	OK(pthread_attr_setstacksize(&attr, (size_t)1 << 60 & ~(size_t)4095));
	SHOW(pthread_create(&t, &attr, wait_for_end, NULL)); /* no such stack: EAGAIN or ENOMEM */
}

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static sem_t zero, one;
static pthread_t sleeper;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;

static void cleanup(void *what)
{
	SHOW_AS("cleanup; is the mutex held?", pthread_mutex_trylock(&m));
	say(what);
}

static void destructor(void *what)
{
	say(what);
}

/* With a cancel request pending: which calls act upon it? */
static void *pending(void *arg)
{
	long call = (long)arg;
	struct timespec t = in_ms(CLOCK_REALTIME, 5);

	track = "cancelled";
	pthread_setspecific(key, "destructor");
	pthread_cleanup_push(cleanup, "cancelled");
	OK(pthread_cancel(pthread_self()));
	switch (call) {
	case 0:
		OK(pthread_mutex_lock(&m));
		SHOW(pthread_cond_wait(&c, &m));
		break;
	case 1:
		OK(pthread_mutex_lock(&m));
		SHOW(pthread_cond_timedwait(&c, &m, &t));
		break;
	case 2:
		SHOW(sem_wait(&zero));
		break;
	case 3:
		SHOW(sem_wait(&one));
		break;
	case 4:
		SHOW(sem_timedwait(&zero, &t));
		break;
	case 5:
		SHOW(pthread_join(sleeper, NULL));
		break;
	case 6:
		SHOW(sem_trywait(&zero));
		SHOW(sem_post(&zero));
		SHOW(sem_trywait(&zero));
		SHOW(pthread_mutex_lock(&m));
		SHOW(pthread_mutex_unlock(&m));
		SHOW(pthread_rwlock_rdlock(&rw));
		SHOW(pthread_rwlock_unlock(&rw));
		SHOW(pthread_cond_signal(&c));
		SHOW(pthread_mutex_timedlock(&m, &t));
		SHOW(pthread_mutex_unlock(&m));
		SHOW(pthread_tryjoin_np(sleeper, NULL));
		pthread_testcancel();
		say("not reached");
		break;
	case 7:
		SHOW(pthread_timedjoin_np(sleeper, NULL, &t));
		break;
	case 8:
		SHOW(sem_clockwait(&one, CLOCK_REALTIME, &t));
		break;
	}
	pthread_cleanup_pop(0);
	say("not cancelled");
	if (pthread_mutex_trylock(&m) == 0 || call < 2)
		pthread_mutex_unlock(&m);
	return NULL;
}

static void cancellation(void)
{
	memset(&end, 0, sizeof(end));
	sleeper = start(wait_for_end);
	sem_init(&zero, 0, 0);
	for (long call = 0; call < 9; call++) {
		pthread_t t;
		void *result = NULL;

		sem_init(&one, 0, 1);
		OK(pthread_create(&t, NULL, pending, (void *)call));
		SHOW_AS("join", pthread_join(t, &result));
		SHOW_AS("cancelled", result == PTHREAD_CANCELED);
		/* The mutex is a plain one; its holder has ended. Make it free again. */
		OK(pthread_mutex_init(&m, NULL));
	}
	gate_open(&end);
	finish(sleeper);
}

static void init(void)
{
	say("initialised");
}

static void *call_once_too(void *arg)
{
	SHOW(pthread_once(&once, init));
	return arg;
}

/* A once whose routine is cancelled is as new. */
static pthread_once_t cancelled_once;
static struct gate inside;

static void init_for_ever(void)
{
	static int calls;

	if (calls++)
		return;
	gate_open(&inside);
	for (;;)
		pause();
}

static void *in_once(void *arg)
{
	track = "once";
	pthread_once(&cancelled_once, init_for_ever);
	return arg;
}

int main(void)
{
	void *result;
	pthread_t t;

	OK(pthread_key_create(&key, destructor));
	joins();
	cancellation();
	SHOW(pthread_once(&once, init));
	in_other(call_once_too);
	t = start(in_once);
	gate_wait(&inside);
	SHOW(pthread_cancel(t));
	OK(pthread_join(t, &result));
	SHOW(result == PTHREAD_CANCELED);
	SHOW(pthread_once(&cancelled_once, init_for_ever));
	pthread_setspecific(key, "main's destructor");
	pthread_exit(NULL);
}
