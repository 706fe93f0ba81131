/* Cancellation: the clean-up handler gives the lock away, and what it writes is written by its thread. */
#include "race.h"

int data;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;

static void unlock(void *arg)
{
	data++;
	pthread_mutex_unlock((pthread_mutex_t *)arg);
}

static void *wait_forever(void *arg)
{
	pthread_mutex_lock(&m);
	data++;
	pthread_cleanup_push(unlock, &m);
	step(0);
	for (;;)
		pthread_cond_wait(&c, &m);
	pthread_cleanup_pop(1);
	return arg;
}

/* The mutex is the cancelled thread's again when its handler runs, and who takes it next comes after. */
static void in_cond_wait(void) /* EXPECT: silence in in_cond_wait */
{
	pthread_t t = start(wait_forever);

	await_step(0);
	OK(pthread_cancel(t));
	finish(t);
	pthread_mutex_lock(&m);
	MUST(data == 2);
	data++;
	pthread_mutex_unlock(&m);
}

static void write_bare(void *arg)
{
	data = 1; /* EXPECT: data-race in racing_handler */
	step(1);
	await_step(2);
	LOOK(arg);
}

static void *sleep_forever(void *arg)
{
	pthread_cleanup_push(write_bare, arg);
	step(0);
	for (;;)
		pause();
	pthread_cleanup_pop(1);
	return arg;
}

static void racing_handler(void)
{
	pthread_t t = start(sleep_forever);

	await_step(0);
	OK(pthread_cancel(t));
	await_step(1);
	data = 2; /* EXPECT: data-race in racing_handler */
	step(2);
	finish(t);
}

CASES(CASE(in_cond_wait), CASE(racing_handler))
