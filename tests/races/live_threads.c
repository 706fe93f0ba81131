/* Hundreds of threads alive at the same time: more than fits where one reserves generously for each. */
#include "race.h"

#define LIVE 500

/* Words of their own, so that the many readers of data are no neighbours of elsewhere; those of crowded.data are. */
int data;
struct __attribute__((aligned(64))) {
	int value;
} elsewhere;
struct __attribute__((aligned(8))) {
	int value;
	int data;
} crowded;
static int own[LIVE];
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_attr_t small;

static void *add_locked(void *arg)
{
	int *mine = (int *)arg;

	step(0);
	await_step(1);
	for (int i = 0; i < 20; i++) {
		pthread_mutex_lock(&m);
		data++;
		pthread_mutex_unlock(&m);
		(*mine)++;
	}
	return NULL;
}

/* Number 3 and number LIVE - 4 race; the others only read what nobody writes any more. */
static void *mostly_idle(void *arg)
{
	int me = (int)((int *)arg - own);

	step(0);
	await_step(1);
	if (me == 3) {
		elsewhere.value = 1; /* EXPECT: data-race in two_of_many */
		step(2);
	}
	if (me == LIVE - 4) {
		await_step(2);
		elsewhere.value = 2; /* EXPECT: data-race in two_of_many */
		step(3);
	}
	LOOK(data);
	await_step(3);
	return NULL;
}

/* The same, and the crowd reads the other half of the very word. */
static void *in_the_crowd(void *arg)
{
	int me = (int)((int *)arg - own);

	step(0);
	await_step(1);
	if (me == 3)
		crowded.value = 1; /* EXPECT: data-race in beside_a_crowd */
	LOOK(crowded.data);
	if (me == 3 || me >= 20)
		step(2);
	if (me == LIVE - 4) {
		await_steps(2, LIVE - 20 + 1); /* after all of the crowd */
		crowded.value = 2;             /* EXPECT: data-race in beside_a_crowd */
		step(3);
	}
	await_step(3);
	return NULL;
}

static void all_at_once(void *(*f)(void *))
{
	static pthread_t t[LIVE];

	OK(pthread_attr_init(&small));
	OK(pthread_attr_setstacksize(&small, 128 * 1024));
	for (int i = 0; i < LIVE; i++)
		OK(pthread_create(&t[i], &small, f, &own[i]));
	await_steps(0, LIVE); /* all are there */
	step(1);
	for (int i = 0; i < LIVE; i++)
		finish(t[i]);
}

static void guarded(void) /* EXPECT: silence in guarded */
{
	all_at_once(add_locked);
	MUST(data == 20 * LIVE);
	for (int i = 0; i < LIVE; i++)
		MUST(own[i] == 20);
}

static void two_of_many(void)
{
	data = 1;
	all_at_once(mostly_idle);
}

/* TSAN: misses beside_a_crowd: it keeps four accesses of a word */
static void beside_a_crowd(void)
{
	crowded.data = 1;
	all_at_once(in_the_crowd);
}

CASES(CASE(guarded), CASE(two_of_many), CASE(beside_a_crowd))
