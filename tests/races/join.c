/* What a thread wrote is there for who joined it, by whichever call. */
#include <threads.h>

#include "race.h"

int data;

static void *write_it(void *arg)
{
	data = 1; /* EXPECT: data-race in read_before_join, detached */
	step(0);
	return arg;
}

static int write_c11(void *arg)
{
	(void)arg;
	data = 1;
	return 0;
}

static void plain(void) /* EXPECT: silence in plain */
{
	pthread_t t = start(write_it);

	finish(t);
	LOOK(data);
}

/* TSAN: cries in c11: libtsan does not know thrd_join */
static void c11(void) /* EXPECT: silence in c11 */
{
	thrd_t t;

	MUST(thrd_create(&t, write_c11, NULL) == thrd_success);
	MUST(thrd_join(t, NULL) == thrd_success);
	LOOK(data);
}

static void tried(void) /* EXPECT: silence in tried */
{
	pthread_t t = start(write_it);

	while (pthread_tryjoin_np(t, NULL) != 0)
		invisible_sleep_ms(1);
	LOOK(data);
}

static void timed(void) /* EXPECT: silence in timed */
{
	struct timespec until = in_ms(CLOCK_REALTIME, 10000);
	pthread_t t = start(write_it);

	OK(pthread_timedjoin_np(t, NULL, &until));
	LOOK(data);
}

/* TSAN: cries in clocked: libtsan 12 does not know pthread_clockjoin_np */
static void clocked(void) /* EXPECT: silence in clocked */
{
	struct timespec until = in_ms(CLOCK_MONOTONIC, 10000);
	pthread_t t = start(write_it);

	OK(pthread_clockjoin_np(t, NULL, CLOCK_MONOTONIC, &until));
	LOOK(data);
}

static void read_before_join(void)
{
	pthread_t t = start(write_it);

	await_step(0);
	LOOK(data); /* EXPECT: data-race in read_before_join */
	finish(t);
}

static void *outlive(void *arg)
{
	await_step(1);
	return arg;
}

/* A join that was tried and failed is none. */
static void *write_and_stay(void *arg)
{
	data = 1; /* EXPECT: data-race in failed_try */
	step(0);
	return outlive(arg);
}

static void failed_try(void)
{
	pthread_t t = start(write_and_stay);

	await_step(0);
	MUST(pthread_tryjoin_np(t, NULL) == EBUSY);
	LOOK(data); /* EXPECT: data-race in failed_try */
	step(1);
	finish(t);
}

static void detached(void)
{
	pthread_t t = start(write_it);

	OK(pthread_detach(t));
	await_step(0);
	LOOK(data); /* EXPECT: data-race in detached */
}

/* It ended long ago, and still nobody joined it. */
static volatile int ended_tid;

static void *write_and_end(void *arg)
{
	data = 1; /* EXPECT: data-race in ended_unjoined */
	__atomic_store_n(&ended_tid, invisible_gettid(), __ATOMIC_RELAXED);
	step(0);
	return arg;
}

static void ended_unjoined(void)
{
	pthread_t t = start(write_and_end);

	await_step(0);
	invisible_await_end(__atomic_load_n(&ended_tid, __ATOMIC_RELAXED));
	LOOK(data); /* EXPECT: data-race in ended_unjoined */
	finish(t);
}

static void *join_it(void *t)
{
	finish(*(pthread_t *)t);
	return NULL;
}

/* Through a thread in the middle. */
static void chain(void) /* EXPECT: silence in chain */
{
	pthread_t t = start(write_it);

	finish(start_with(join_it, &t));
	LOOK(data);
}

static void *value(void *arg)
{
	int *p = (int *)malloc(sizeof(*p));

	(void)arg;
	*p = 5;
	return p;
}

static void returned(void) /* EXPECT: silence in returned */
{
	void *p;

	OK(pthread_join(start(value), &p));
	MUST(*(int *)p == 5);
	*(int *)p = 6;
	free(p);
}

static void *exits(void *arg)
{
	data = 1;
	pthread_exit(arg);
}

static void by_exit(void) /* EXPECT: silence in by_exit */
{
	finish(start(exits));
	LOOK(data);
}

static void *cancelled(void *arg)
{
	data = 1;
	step(0);
	for (;;)
		pause();
	return arg;
}

static void by_cancel(void) /* EXPECT: silence in by_cancel */
{
	pthread_t t = start(cancelled);

	await_step(0);
	OK(pthread_cancel(t));
	finish(t);
	LOOK(data);
}

CASES(CASE(plain), CASE(c11), CASE(tried), CASE(timed), CASE(clocked), CASE(read_before_join), CASE(failed_try),
      CASE(detached), CASE(ended_unjoined), CASE(chain), CASE(returned), CASE(by_exit), CASE(by_cancel))
