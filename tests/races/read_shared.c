/* Many readers: they do not race with each other, and each of them does with a writer. */
#include "race.h"

#define READERS 12

int data = 1;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

static void *look(void *arg)
{
	LOOK(data); /* MAY: data-race in then_written, then_written_by_one */
	step(0);
	await_step(1);
	return arg;
}

static void *write_alone(void *arg)
{
	await_steps(0, READERS);
	data = 2; /* EXPECT: data-race in then_written */
	step(1);
	return arg;
}

static void *look_and_write(void *arg)
{
	LOOK(data);
	await_steps(0, READERS);
	data = 2; /* EXPECT: data-race in then_written_by_one */
	step(1);
	return arg;
}

static void *nothing(void *arg)
{
	await_steps(0, READERS);
	step(1);
	return arg;
}

static void readers_and(void *(*f)(void *))
{
	pthread_t t[READERS + 1];

	for (int i = 0; i < READERS; i++)
		t[i] = start(look);
	t[READERS] = start(f);
	for (int i = 0; i <= READERS; i++)
		finish(t[i]);
}

static void only_read(void) /* EXPECT: silence in only_read */
{
	readers_and(nothing);
}

static void then_written(void)
{
	readers_and(write_alone);
}

static void then_written_by_one(void)
{
	readers_and(look_and_write);
}

static void written_after_join(void) /* EXPECT: silence in written_after_join */
{
	readers_and(nothing);
	data = 2;
}

/* All readers but one give the lock away before the writer takes it: the one that did not is the race. */
static void *look_in_order(void *arg)
{
	LOOK(data);
	pthread_mutex_lock(&m);
	pthread_mutex_unlock(&m);
	step(0);
	return arg;
}

static void *look_out_of_order(void *arg)
{
	LOOK(data); /* EXPECT: data-race in one_of_many */
	step(0);
	return arg;
}

static void *write_in_order(void *arg)
{
	await_steps(0, READERS);
	pthread_mutex_lock(&m);
	pthread_mutex_unlock(&m);
	data = 2; /* EXPECT: data-race in one_of_many */
	return arg;
}

static void readers_in_order(int but)
{
	pthread_t t[READERS + 1];

	for (int i = 0; i < READERS; i++)
		t[i] = start(i == but ? look_out_of_order : look_in_order);
	t[READERS] = start(write_in_order);
	for (int i = 0; i <= READERS; i++)
		finish(t[i]);
}

/* Only two readers, the late one in order: who remembers the last reader alone misses the first. */
static void *look_second(void *arg)
{
	await_step(2);
	return look_in_order(arg);
}

static void *look_first(void *arg)
{
	LOOK(data); /* EXPECT: data-race in first_of_two */
	step(2);
	return arg;
}

static void *write_after_two(void *arg)
{
	await_step(0);
	pthread_mutex_lock(&m);
	pthread_mutex_unlock(&m);
	data = 2; /* EXPECT: data-race in first_of_two */
	return arg;
}

static void first_of_two(void)
{
	pthread_t t = start(write_after_two);

	run_two(look_first, look_second);
	finish(t);
}

static void all_in_order(void) /* EXPECT: silence in all_in_order */
{
	readers_in_order(-1);
}

/* TSAN: misses one_of_many: it keeps four accesses of a word */
static void one_of_many(void)
{
	readers_in_order(4);
}

CASES(CASE(only_read), CASE(then_written), CASE(then_written_by_one), CASE(written_after_join), CASE(first_of_two),
      CASE(all_in_order), CASE(one_of_many))
