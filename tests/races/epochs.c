/* Where a detector that remembers too little, or skips what it has just seen, goes wrong. */
#include "race.h"

int data, other;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t n = PTHREAD_MUTEX_INITIALIZER;

static void read_then_write(void)
{
	LOOK(data);
	data = 1; /* EXPECT: data-race in write_after_own_read */
}

static void look(void)
{
	LOOK(data); /* EXPECT: data-race in write_after_own_read, read_after_own_write, written_often */
}

static void look_locked(void)
{
	pthread_mutex_lock(&m);
	LOOK(data); /* EXPECT: data-race in write_after_unlock */
	pthread_mutex_unlock(&m);
}

static void write_then_read(void)
{
	data = 1; /* EXPECT: data-race in read_after_own_write */
	LOOK(data);
}

/* The same word again and again, with locks of no concern between: the last one counts as well. */
static void write_often(void)
{
	for (int i = 0; i < 300; i++) {
		pthread_mutex_lock(&n);
		pthread_mutex_unlock(&n);
		data = i; /* EXPECT: data-race in written_often */
	}
}

/* In its turn under the lock, and then once more after it. */
static void write_locked_and_after(void)
{
	pthread_mutex_lock(&m);
	data = 1;
	pthread_mutex_unlock(&m);
	data = 2; /* EXPECT: data-race in write_after_unlock */
}

static void write_after_own_read(void)
{
	in_turn(read_then_write, look);
}

static void read_after_own_write(void)
{
	in_turn(write_then_read, look);
}

static void written_often(void)
{
	in_turn(write_often, look);
}

static void write_after_unlock(void)
{
	in_turn(write_locked_and_after, look_locked);
}

/* first: writes, gives the lock away; second: takes it, writes (in order); first: writes again, having taken nothing.
 */
static void *first(void *arg)
{
	pthread_mutex_lock(&m);
	data = 1;
	pthread_mutex_unlock(&m);
	step(0);
	await_step(1);
	data = 3; /* EXPECT: data-race in ping_no_pong */
	return arg;
}

static void *second(void *arg)
{
	await_step(0);
	pthread_mutex_lock(&m);
	data = 2; /* EXPECT: data-race in ping_no_pong */
	pthread_mutex_unlock(&m);
	step(1);
	return arg;
}

static void ping_no_pong(void)
{
	run_two(first, second);
}

static void *ping(void *arg)
{
	for (int i = 0; i < 500; i++) {
		pthread_mutex_lock(&m);
		data++;
		LOOK(other);
		pthread_mutex_unlock(&m);
	}
	return arg;
}

static void ping_pong(void) /* EXPECT: silence in ping_pong */
{
	run_two(ping, ping);
	MUST(data == 1000);
}

/* Order through two locks and a third thread. */
static void write_m(void)
{
	data = 1;
	pthread_mutex_lock(&m);
	pthread_mutex_unlock(&m);
}

static void m_to_n(void)
{
	pthread_mutex_lock(&m);
	pthread_mutex_unlock(&m);
	pthread_mutex_lock(&n);
	pthread_mutex_unlock(&n);
}

static void n_to_m(void)
{
	pthread_mutex_lock(&n);
	pthread_mutex_unlock(&n);
	pthread_mutex_lock(&m);
	pthread_mutex_unlock(&m);
}

static void read_n(void)
{
	pthread_mutex_lock(&n);
	pthread_mutex_unlock(&n);
	LOOK(data);
}

static void transitive(void) /* EXPECT: silence in transitive */
{
	in_turn3(write_m, m_to_n, read_n);
}

static void write_n(void)
{
	data = 1; /* EXPECT: data-race in wrong_way */
	pthread_mutex_lock(&m);
	pthread_mutex_unlock(&m);
}

static void read_n_raced(void)
{
	pthread_mutex_lock(&n);
	pthread_mutex_unlock(&n);
	LOOK(data); /* EXPECT: data-race in wrong_way */
}

/* The one in the middle takes them the other way round: nothing gets through. */
static void wrong_way(void)
{
	in_turn3(write_n, n_to_m, read_n_raced);
}

/* A hundred accesses of others, all in order, between the two that race. */
static void read_much(void)
{
	pthread_mutex_lock(&m);
	for (int i = 0; i < 100; i++)
		LOOK(data); /* MAY: data-race in others_between */
	pthread_mutex_unlock(&m);
}

static void write_first(void)
{
	data = 1; /* MAY: data-race in others_between */
	pthread_mutex_lock(&m);
	pthread_mutex_unlock(&m);
}

static void write_last(void)
{
	data = 2; /* EXPECT: data-race in others_between */
}

static void others_between(void)
{
	in_turn3(write_first, read_much, write_last);
}

CASES(CASE(write_after_own_read), CASE(read_after_own_write), CASE(written_often), CASE(write_after_unlock),
      CASE(ping_no_pong), CASE(ping_pong), CASE(transitive), CASE(wrong_way), CASE(others_between))
