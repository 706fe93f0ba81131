/* Thousands of threads that live for a moment: more than any table has places. */
#include "race.h"

#define MANY 3000

int data;
struct __attribute__((aligned(64))) {
	int value;
} elsewhere;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

static void *add_locked(void *arg)
{
	pthread_mutex_lock(&m);
	data++;
	pthread_mutex_unlock(&m);
	return arg;
}

static void *add(void *arg)
{
	data++;
	return arg;
}

static void *nothing(void *arg)
{
	return arg;
}

static void one_after_the_other(void) /* EXPECT: silence in one_after_the_other */
{
	for (int i = 0; i < MANY; i++)
		finish(start(add));
	MUST(data == MANY);
}

static void in_bunches(void) /* EXPECT: silence in in_bunches */
{
	pthread_t t[30];

	for (int i = 0; i < MANY / 30; i++) {
		for (int k = 0; k < 30; k++)
			t[k] = start(add_locked);
		for (int k = 0; k < 30; k++)
			finish(t[k]);
	}
	MUST(data == MANY);
}

static void detached(void) /* EXPECT: silence in detached */
{
	for (int i = 0; i < MANY; i++)
		OK(pthread_detach(start(add_locked)));
	for (;;) {
		int n;

		pthread_mutex_lock(&m);
		n = data;
		pthread_mutex_unlock(&m);
		if (n == MANY)
			break;
		invisible_sleep_ms(1);
	}
}

static void *early(void *arg)
{
	elsewhere.value = 1; /* EXPECT: data-race in first_and_last */
	step(0);
	await_step(1);
	return arg;
}

static void *late(void *arg)
{
	elsewhere.value = 2; /* EXPECT: data-race in first_and_last */
	return arg;
}

/* Two that race, with a thousand between them that are none of their business. */
static void first_and_last(void)
{
	pthread_t t = start(early);

	await_step(0);
	for (int i = 0; i < 1000; i++)
		finish(start(nothing));
	finish(start(late));
	step(1);
	finish(t);
}

static pthread_t unjoined;

static void *early_and_over(void *arg)
{
	elsewhere.value = 1; /* EXPECT: data-race in ended_long_ago */
	step(0);
	return arg;
}

static void *late_too(void *arg)
{
	elsewhere.value = 2; /* EXPECT: data-race in ended_long_ago */
	return arg;
}

/* The first one has ended, its place in every table was wanted by the others, and it still was not joined. */
static void ended_long_ago(void)
{
	unjoined = start(early_and_over);
	await_step(0);
	for (int i = 0; i < 1000; i++)
		finish(start(nothing));
	finish(start(late_too));
	finish(unjoined);
}

/* Each creates the next and ends: a line of descent, all in order. */
static void *descend(void *arg)
{
	long left = (long)arg;

	data++;
	if (left)
		finish(start_with(descend, (void *)(left - 1)));
	return NULL;
}

static void descent(void) /* EXPECT: silence in descent */
{
	finish(start_with(descend, (void *)100L));
	MUST(data == 101);
}

CASES(CASE(one_after_the_other), CASE(in_bunches), CASE(detached), CASE(first_and_last), CASE(ended_long_ago),
      CASE(descent))
