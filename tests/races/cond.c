/* Condition variables: hand-over under the mutex, and what is outside of it. */
#include <stdbool.h>

#include "race.h"

int data;
bool ready;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;

static void *give(void *arg)
{
	data = 1; /* before the lock: the unlock carries it */
	pthread_mutex_lock(&m);
	ready = true;
	pthread_cond_signal(&c);
	pthread_mutex_unlock(&m);
	return arg;
}

static void *give_to_all(void *arg)
{
	data = 1;
	pthread_mutex_lock(&m);
	ready = true;
	pthread_mutex_unlock(&m);
	pthread_cond_broadcast(&c);
	return arg;
}

static void *give_and_touch(void *arg)
{
	pthread_mutex_lock(&m);
	ready = true;
	pthread_cond_signal(&c);
	pthread_mutex_unlock(&m);
	data = 1; /* EXPECT: data-race in touched_after_signal */
	step(0);
	return arg;
}

static void *take(void *arg)
{
	pthread_mutex_lock(&m);
	while (!ready)
		pthread_cond_wait(&c, &m);
	pthread_mutex_unlock(&m);
	LOOK(data);
	return arg;
}

static void *take_late(void *arg)
{
	pthread_mutex_lock(&m);
	while (!ready)
		pthread_cond_wait(&c, &m);
	pthread_mutex_unlock(&m);
	await_step(0);
	LOOK(data); /* EXPECT: data-race in touched_after_signal */
	return arg;
}

static void *take_timed(void *arg)
{
	struct timespec t = in_ms(CLOCK_REALTIME, 10000);

	pthread_mutex_lock(&m);
	while (!ready)
		OK(pthread_cond_timedwait(&c, &m, &t));
	data++;
	pthread_mutex_unlock(&m);
	return arg;
}

static void *time_out(void *arg)
{
	struct timespec t = in_ms(CLOCK_MONOTONIC, 20);

	pthread_mutex_lock(&m);
	MUST(pthread_cond_clockwait(&c, &m, CLOCK_MONOTONIC, &t) == ETIMEDOUT);
	pthread_mutex_unlock(&m);
	await_step(0);
	LOOK(data); /* EXPECT: data-race in timed_out */
	return arg;
}

static void *write_alone(void *arg)
{
	data = 1; /* EXPECT: data-race in timed_out */
	step(0);
	return arg;
}

static void handover(void) /* EXPECT: silence in handover */
{
	run_two(give, take);
}

static void broadcast(void) /* EXPECT: silence in broadcast */
{
	pthread_t a = start(take), b = start(take);

	run_two(give_to_all, take);
	finish(a);
	finish(b);
}

static void timed(void) /* EXPECT: silence in timed */
{
	run_two(give, take_timed);
}

static void touched_after_signal(void)
{
	run_two(give_and_touch, take_late);
}

/* Waiting is no order when it ended by the clock. */
static void timed_out(void)
{
	run_two(time_out, write_alone);
}

/* While one waits, others change what the mutex guards: wait gives it away and takes it again. */
static void *guarded_waiter(void *arg)
{
	pthread_mutex_lock(&m);
	data++;
	step(0);
	while (!ready)
		pthread_cond_wait(&c, &m);
	data++;
	pthread_mutex_unlock(&m);
	return arg;
}

static void *guarded_giver(void *arg)
{
	await_step(0);
	pthread_mutex_lock(&m); /* not before the waiter waits */
	data++;
	ready = true;
	pthread_cond_signal(&c);
	pthread_mutex_unlock(&m);
	return arg;
}

static void wait_unlocks(void) /* EXPECT: silence in wait_unlocks */
{
	run_two(guarded_waiter, guarded_giver);
}

CASES(CASE(handover), CASE(broadcast), CASE(timed), CASE(touched_after_signal), CASE(timed_out), CASE(wait_unlocks))
