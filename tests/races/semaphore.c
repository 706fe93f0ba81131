/* Semaphores: post comes before the wait that it lets through. */
#include <semaphore.h>

#include "race.h"

int data;
static sem_t s;

static void *give(void *arg)
{
	data = 1;
	sem_post(&s);
	return arg;
}

static void *take(void *arg)
{
	sem_wait(&s);
	data++;
	return arg;
}

static void *take_timed(void *arg)
{
	struct timespec t = in_ms(CLOCK_REALTIME, 10000);

	MUST(sem_timedwait(&s, &t) == 0);
	data++;
	return arg;
}

static void *take_clock(void *arg)
{
	struct timespec t = in_ms(CLOCK_MONOTONIC, 10000);

	MUST(sem_clockwait(&s, CLOCK_MONOTONIC, &t) == 0);
	data++;
	return arg;
}

static void *take_by_trying(void *arg)
{
	while (sem_trywait(&s) != 0)
		invisible_sleep_ms(1);
	data++;
	return arg;
}

static void give_then(void *(*f)(void *))
{
	MUST(sem_init(&s, 0, 0) == 0);
	run_two(give, f);
	MUST(sem_destroy(&s) == 0);
}

static void handover(void) /* EXPECT: silence in handover */
{
	give_then(take);
}

static void timed(void) /* EXPECT: silence in timed */
{
	give_then(take_timed);
}

/* TSAN: cries in clocked: libtsan does not know sem_clockwait */
static void clocked(void) /* EXPECT: silence in clocked */
{
	give_then(take_clock);
}

static void tried(void) /* EXPECT: silence in tried */
{
	give_then(take_by_trying);
}

static void as_lock(void)
{
	sem_wait(&s);
	data++;
	sem_post(&s);
}

static void as_mutex(void) /* EXPECT: silence in as_mutex */
{
	MUST(sem_init(&s, 0, 1) == 0);
	in_turn3(as_lock, as_lock, as_lock);
}

/* Two units: both are inside at once. */
static void *inside(void *arg)
{
	sem_wait(&s);
	if (arg)
		await_step(0);
	data++; /* EXPECT: data-race in two_units */
	step(0);
	if (!arg)
		await_step(1);
	sem_post(&s);
	step(1);
	return arg;
}

static void two_units(void)
{
	static int second;
	pthread_t a, b;

	MUST(sem_init(&s, 0, 2) == 0);
	a = start(inside);
	b = start_with(inside, &second);
	finish(a);
	finish(b);
}

static void give_up(void)
{
	MUST(sem_trywait(&s) != 0);
	LOOK(data); /* EXPECT: data-race in failed_try */
}

static void write_and_post(void)
{
	data = 1; /* EXPECT: data-race in failed_try */
	sem_post(&s);
}

/* The one that got nothing is not ordered by the semaphore: it looked before the post. */
static void failed_try(void)
{
	MUST(sem_init(&s, 0, 0) == 0);
	in_turn(give_up, write_and_post);
}

static void post_and_write(void)
{
	sem_post(&s);
	data = 1; /* EXPECT: data-race in written_after_post */
}

static void wait_and_look(void)
{
	sem_wait(&s);
	LOOK(data); /* EXPECT: data-race in written_after_post */
}

static void written_after_post(void)
{
	MUST(sem_init(&s, 0, 0) == 0);
	in_turn(post_and_write, wait_and_look);
}

CASES(CASE(handover), CASE(timed), CASE(clocked), CASE(tried), CASE(as_mutex), CASE(two_units), CASE(failed_try),
      CASE(written_after_post))
