/* The end of the program: atexit, destructors, and threads that are still there. */
#include "race.h"

int data;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

static void look(void)
{
	LOOK(data); /* EXPECT: data-race in unjoined */
}

static void look_locked(void)
{
	pthread_mutex_lock(&m);
	LOOK(data);
	pthread_mutex_unlock(&m);
}

static void *write_it(void *arg)
{
	data = 1;
	return arg;
}

static void *write_and_stay(void *arg)
{
	data = 1; /* EXPECT: data-race in unjoined */
	step(0);
	await_step(1);
	return arg;
}

static void *write_locked_and_stay(void *arg)
{
	pthread_mutex_lock(&m);
	data = 1;
	pthread_mutex_unlock(&m);
	step(0);
	await_step(1);
	return arg;
}

static void joined(void) /* EXPECT: silence in joined */
{
	MUST(atexit(look) == 0);
	finish(start(write_it));
}

static void unjoined(void)
{
	MUST(atexit(look) == 0);
	OK(pthread_detach(start(write_and_stay)));
	await_step(0);
}

static void locked(void) /* EXPECT: silence in locked */
{
	MUST(atexit(look_locked) == 0);
	OK(pthread_detach(start(write_locked_and_stay)));
	await_step(0);
}

static void *leave(void *arg)
{
	data = 2;
	exit(0);
	return arg;
}

/* Another thread than the first one ends the program. */
static void by_another(void) /* EXPECT: silence in by_another */
{
	data = 1;
	MUST(atexit(look) == 0);
	finish(start(leave));
}

CASES(CASE(joined), CASE(unjoined), CASE(locked), CASE(by_another))
