/* TSAN: none: it does not survive threads that glibc creates */
/* Threads that nobody created: SIGEV_THREAD timers. */
#include <semaphore.h>
#include <signal.h>

#include "race.h"

int data;
static sem_t s;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

static void notify(union sigval v)
{
	LOOK(v.sival_int);
	pthread_mutex_lock(&m);
	data++;
	pthread_mutex_unlock(&m);
	sem_post(&s);
}

static void notify_bare(union sigval v)
{
	LOOK(v.sival_int);
	data++; /* EXPECT: data-race in racing */
	step(0);
}

static timer_t set(void (*f)(union sigval), long every_ms)
{
	struct sigevent e;
	struct itimerspec when = { { 0, every_ms * 1000000 }, { 0, 1000000 } };
	timer_t t;

	memset(&e, 0, sizeof(e));
	e.sigev_notify = SIGEV_THREAD;
	e.sigev_notify_function = f;
	MUST(timer_create(CLOCK_MONOTONIC, &e, &t) == 0);
	MUST(timer_settime(t, 0, &when, NULL) == 0);
	return t;
}

static void guarded(void) /* EXPECT: silence in guarded */
{
	timer_t t;

	MUST(sem_init(&s, 0, 0) == 0);
	t = set(notify, 2);
	for (int i = 0; i < 5; i++)
		MUST(sem_wait(&s) == 0);
	timer_delete(t);
	pthread_mutex_lock(&m);
	MUST(data >= 5);
	pthread_mutex_unlock(&m);
}

/* What was there before the timer was set is there for its thread. */
static void notify_look(union sigval v)
{
	LOOK(data);
	LOOK(v.sival_int);
	sem_post(&s);
}

static void set_up_before(void) /* EXPECT: silence in set_up_before */
{
	MUST(sem_init(&s, 0, 0) == 0);
	data = 1;
	set(notify_look, 0);
	MUST(sem_wait(&s) == 0);
}

static void racing(void)
{
	set(notify_bare, 0);
	await_step(0);
	data = 5; /* EXPECT: data-race in racing */
}

CASES(CASE(guarded), CASE(set_up_before), CASE(racing))
