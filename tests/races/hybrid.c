/*
 * What this run happened to order, and only by the order in which a lock went round: silent by happens-before, told by
 * races=hybrid ("HYBRID: KIND in CASE" beside the line). And what really is in order, by the same locks: silent in both.
 */
#include <semaphore.h>
#include <stdbool.h>

#include "race.h"

int data, other, more;
static struct {
	long before[8], a, between[8], b, after[8]; /* each in a granule of its own */
} stats;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t m2 = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t sem;

static void count_a(void)
{
	pthread_mutex_lock(&m);
	stats.a++;
	pthread_mutex_unlock(&m);
}

static void count_b(void)
{
	pthread_mutex_lock(&m);
	stats.b++;
	pthread_mutex_unlock(&m);
}

/* ---- two sections that have nothing to do with each other ---- */

static void write_and_count_a(void)
{
	data = 1; /* HYBRID: data-race in by_chance, by_chance_of_three, by_chance_read */
	count_a();
}

static void count_b_and_write(void)
{
	count_b();
	data = 2; /* HYBRID: data-race in by_chance, by_chance_of_three */
}

static void by_chance(void) /* EXPECT: silence in by_chance */
{
	in_turn(write_and_count_a, count_b_and_write);
}

static void count_b_and_read(void)
{
	count_b();
	LOOK(data); /* HYBRID: data-race in by_chance_read */
}

static void by_chance_read(void) /* EXPECT: silence in by_chance_read */
{
	in_turn(write_and_count_a, count_b_and_read);
}

/* Others that do order with each other, in between, make no order for these two. */
static void count_others(void)
{
	pthread_mutex_lock(&m);
	other++;
	pthread_mutex_unlock(&m);
}

static void *others(void *arg)
{
	await_step(13);
	count_others();
	step(0);
	return arg;
}

static void *others_again(void *arg)
{
	await_step(0);
	count_others();
	step(1);
	return arg;
}

static void late_count_b_and_write(void)
{
	await_step(1);
	count_b_and_write();
}

static void by_chance_of_three(void) /* EXPECT: silence in by_chance_of_three */
{
	pthread_t t = start_with(others, NULL), u = start_with(others_again, NULL);

	in_turn(write_and_count_a, late_count_b_and_write);
	finish(t);
	finish(u);
}

static void write_and_count_rw(void)
{
	data = 1; /* HYBRID: data-race in by_chance_rwlock */
	pthread_rwlock_wrlock(&rw);
	stats.a++;
	pthread_rwlock_unlock(&rw);
}

static void count_rw_and_write(void)
{
	pthread_rwlock_wrlock(&rw);
	stats.b++;
	pthread_rwlock_unlock(&rw);
	data = 2; /* HYBRID: data-race in by_chance_rwlock */
}

static void by_chance_rwlock(void) /* EXPECT: silence in by_chance_rwlock */
{
	in_turn(write_and_count_rw, count_rw_and_write);
}

/* Freed while another one, in another order, would still be reading. */
static long *block;

static void read_and_count_a(void)
{
	LOOK(*block); /* HYBRID: data-race in freed_by_chance */
	count_a();
}

static void count_b_and_free(void)
{
	count_b();
	free(block); /* HYBRID: data-race in freed_by_chance */
}

static void freed_by_chance(void) /* EXPECT: silence in freed_by_chance */
{
	block = (long *)malloc(sizeof(*block));
	*block = 1;
	in_turn(read_and_count_a, count_b_and_free);
}

/* ---- the innocent twins ---- */

/* The second section has seen what the first one did. */
static void count_a_and_write(void)
{
	count_a();
	data = 2;
}

static void same_data(void) /* EXPECT: silence in same_data */
{
	in_turn(write_and_count_a, count_a_and_write);
}

static void read_a_and_write(void)
{
	pthread_mutex_lock(&m);
	LOOK(stats.a);
	stats.b++;
	pthread_mutex_unlock(&m);
	data = 2;
}

static void read_section(void) /* EXPECT: silence in read_section */
{
	in_turn(write_and_count_a, read_a_and_write);
}

/* The first one only read what the second one writes. */
static void write_and_read_a(void)
{
	data = 1;
	pthread_mutex_lock(&m);
	LOOK(stats.a);
	stats.b++;
	pthread_mutex_unlock(&m);
}

static void read_then_written(void) /* EXPECT: silence in read_then_written */
{
	in_turn(write_and_read_a, count_a_and_write);
}

/* By way of a third, and of two locks. */
static void pass_on(void)
{
	pthread_mutex_lock(&m);
	int seen = (int)stats.a;
	stats.a = 0;
	pthread_mutex_unlock(&m);
	pthread_mutex_lock(&m2);
	other += seen;
	pthread_mutex_unlock(&m2);
}

static void take_other_and_write(void)
{
	pthread_mutex_lock(&m2);
	other = 0;
	pthread_mutex_unlock(&m2);
	data = 2;
}

static void passed_on(void) /* EXPECT: silence in passed_on */
{
	in_turn3(write_and_count_a, pass_on, take_other_and_write);
}

/* Sections in which nothing can be seen: their data may be where nobody looks. */
static void write_and_pass(void)
{
	data = 1;
	pthread_mutex_lock(&m);
	pthread_mutex_unlock(&m);
}

static void pass_and_write(void)
{
	pthread_mutex_lock(&m);
	pthread_mutex_unlock(&m);
	data = 2;
}

static void nothing_seen(void) /* EXPECT: silence in nothing_seen */
{
	in_turn(write_and_pass, pass_and_write);
}

static void nothing_seen_first(void) /* EXPECT: silence in nothing_seen_first */
{
	in_turn(write_and_pass, count_b_and_write);
}

static void nothing_seen_then(void) /* EXPECT: silence in nothing_seen_then */
{
	in_turn(write_and_count_a, pass_and_write);
}

/* A queue of pointers; what they point to is one thread's at a time. */
struct item {
	struct item *next;
	long value;
};
static struct item *queue;

static void *produce(void *arg)
{
	for (int i = 0; i < 200; i++) {
		struct item *p = (struct item *)malloc(sizeof(*p));

		p->value = i;
		pthread_mutex_lock(&m);
		p->next = queue;
		queue = p;
		pthread_cond_signal(&cond);
		pthread_mutex_unlock(&m);
	}
	return arg;
}

static void *consume(void *arg)
{
	for (int i = 0; i < 200; i++) {
		pthread_mutex_lock(&m);
		while (!queue)
			pthread_cond_wait(&cond, &m);
		struct item *p = queue;
		queue = p->next;
		pthread_mutex_unlock(&m);
		p->value++;
		free(p);
	}
	return arg;
}

static void pointers_in_a_queue(void) /* EXPECT: silence in pointers_in_a_queue */
{
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		t[i] = start_with(i & 1 ? produce : consume, NULL);
	for (int i = 0; i < 4; i++)
		finish(t[i]);
}

/* Whoever takes the last reference frees it. */
static struct {
	long users, value;
} *shared;

static void *use_and_drop(void *arg)
{
	LOOK(shared->value);
	pthread_mutex_lock(&m);
	bool last = --shared->users == 0;
	pthread_mutex_unlock(&m);
	if (last)
		free(shared);
	return arg;
}

static void counted_references(void) /* EXPECT: silence in counted_references */
{
	shared = malloc(sizeof(*shared));
	shared->users = 2;
	shared->value = 1;
	run_two(use_and_drop, use_and_drop);
}

/* Order of another kind beside sections that make none. */
static void write_and_post(void)
{
	write_and_count_a();
	sem_post(&sem);
}

static void wait_and_write(void)
{
	while (sem_wait(&sem) != 0)
		;
	count_b_and_write();
}

static void by_semaphore(void) /* EXPECT: silence in by_semaphore */
{
	OK(sem_init(&sem, 0, 0));
	in_turn(write_and_post, wait_and_write);
}

static void write_and_meet(void)
{
	write_and_count_a();
	pthread_barrier_wait(&barrier);
}

static void meet_and_write(void)
{
	pthread_barrier_wait(&barrier);
	count_b_and_write();
}

static void *write_and_meet_run(void *arg)
{
	write_and_meet();
	return arg;
}

static void *meet_and_write_run(void *arg)
{
	meet_and_write();
	return arg;
}

static void by_barrier(void) /* EXPECT: silence in by_barrier */
{
	OK(pthread_barrier_init(&barrier, NULL, 2));
	run_two(write_and_meet_run, meet_and_write_run);
}

static void *write_and_count_run(void *arg)
{
	write_and_count_a();
	return arg;
}

static void by_join(void) /* EXPECT: silence in by_join */
{
	pthread_t t = start_with(write_and_count_run, NULL), u = start_with(others, NULL);

	finish(t);
	step(13);
	count_b_and_write();
	finish(u);
}

/* A ready flag under the lock, looked at until it is set. */
static void write_and_publish(void)
{
	data = 1;
	pthread_mutex_lock(&m);
	more = 1;
	pthread_mutex_unlock(&m);
}

static void *poll_and_write(void *arg)
{
	for (int seen = 0; !seen;) {
		pthread_mutex_lock(&m);
		seen = more;
		pthread_mutex_unlock(&m);
	}
	data = 2;
	return arg;
}

static void *publish(void *arg)
{
	write_and_publish();
	return arg;
}

static void polled_under_lock(void) /* EXPECT: silence in polled_under_lock */
{
	run_two(publish, poll_and_write);
}

/* Both hold another lock as well: that keeps them apart, in whatever order. */
static void locked_write_and_count_a(void)
{
	pthread_mutex_lock(&m2);
	write_and_count_a();
	pthread_mutex_unlock(&m2);
}

static void locked_count_b_and_write(void)
{
	pthread_mutex_lock(&m2);
	count_b_and_write();
	pthread_mutex_unlock(&m2);
}

static void kept_apart(void) /* EXPECT: silence in kept_apart */
{
	in_turn(locked_write_and_count_a, locked_count_b_and_write);
}

CASES(CASE(by_chance), CASE(by_chance_read), CASE(by_chance_of_three), CASE(by_chance_rwlock), CASE(freed_by_chance),
      CASE(same_data), CASE(read_section), CASE(read_then_written), CASE(passed_on), CASE(nothing_seen), CASE(nothing_seen_first),
      CASE(nothing_seen_then), CASE(pointers_in_a_queue), CASE(counted_references), CASE(by_semaphore), CASE(by_barrier),
      CASE(by_join), CASE(polled_under_lock), CASE(kept_apart))
