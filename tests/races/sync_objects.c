/* Races on what synchronises: destroyed, freed or initialised while another thread may still be using it. */
#include <semaphore.h>

#include "race.h"

static pthread_mutex_t *m;
static sem_t s;
int data;

static void use(void)
{
	pthread_mutex_lock(m); /* MAY: data-race in freed, destroyed, initialised_late */
	data++;
	pthread_mutex_unlock(m); /* MAY: data-race in freed, destroyed */
}

static void use_first_time(void)
{
	pthread_mutex_lock(m); /* EXPECT: data-race in initialised_late */
	data++;
	pthread_mutex_unlock(m);
}

static void free_it(void)
{
	free(m); /* EXPECT: data-race in freed */
}

static void destroy_it(void)
{
	OK(pthread_mutex_destroy(m)); /* EXPECT: data-race in destroyed */
}

static void init_it(void)
{
	OK(pthread_mutex_init(m, NULL)); /* EXPECT: data-race in initialised_late */
}

static void get(void)
{
	m = (pthread_mutex_t *)malloc(sizeof(*m));
	OK(pthread_mutex_init(m, NULL));
}

static void freed(void)
{
	get();
	in_turn(use, free_it);
}

static void destroyed(void)
{
	get();
	in_turn(use, destroy_it);
}

/* It is zero before: the first use works by luck. */
static void initialised_late(void)
{
	m = (pthread_mutex_t *)calloc(1, sizeof(*m));
	in_turn(init_it, use_first_time);
}

static void *use_and_end(void *arg)
{
	pthread_mutex_lock(m);
	data++;
	pthread_mutex_unlock(m);
	return arg;
}

static void destroyed_after_join(void) /* EXPECT: silence in destroyed_after_join */
{
	get();
	run_two(use_and_end, use_and_end);
	OK(pthread_mutex_destroy(m));
	free(m);
}

/* An object with its own lock and count: whoever drops the last reference frees both, having held the lock. */
static struct counted {
	pthread_mutex_t lock;
	int references;
} * object;

static void drop(void)
{
	int left;

	pthread_mutex_lock(&object->lock);
	left = --object->references;
	pthread_mutex_unlock(&object->lock);
	if (left == 0) {
		pthread_mutex_destroy(&object->lock);
		free(object);
	}
}

static void last_reference(void) /* EXPECT: silence in last_reference */
{
	object = (struct counted *)calloc(1, sizeof(*object));
	OK(pthread_mutex_init(&object->lock, NULL));
	object->references = 3;
	in_turn3(drop, drop, drop);
}

/* A semaphore on the waiter's stack, gone as soon as the wait is over. */
static sem_t *waiting;

static void *post(void *arg)
{
	sem_wait(&s);
	data = 1;
	sem_post(waiting);
	return arg;
}

static void *wait_briefly(void *arg)
{
	sem_t mine;

	MUST(sem_init(&mine, 0, 0) == 0);
	waiting = &mine;
	sem_post(&s);
	while (sem_wait(&mine) != 0)
		;
	LOOK(data);
	MUST(sem_destroy(&mine) == 0);
	return arg;
}

static void semaphore_on_the_stack(void) /* EXPECT: silence in semaphore_on_the_stack */
{
	MUST(sem_init(&s, 0, 0) == 0);
	for (int i = 0; i < 20; i++)
		run_two(post, wait_briefly);
}

CASES(CASE(freed), CASE(destroyed), CASE(initialised_late), CASE(destroyed_after_join), CASE(last_reference),
      CASE(semaphore_on_the_stack))
