/* Stacks: another thread's locals, and stacks that go from an ended thread to a new one. */
#include <alloca.h>

#include "race.h"

static int *shared;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

static void *write_shared(void *arg)
{
	*shared = 1; /* EXPECT: data-race in local_of_main, local_of_thread, alloca_of_thread */
	step(0);
	return arg;
}

static void *write_locked(void *arg)
{
	pthread_mutex_lock(&m);
	*shared = 1;
	pthread_mutex_unlock(&m);
	return arg;
}

static void local_of_main(void)
{
	int local = 0;
	pthread_t t;

	shared = &local;
	t = start(write_shared);
	await_step(0);
	LOOK(local); /* EXPECT: data-race in local_of_main */
	finish(t);
}

static void local_joined(void) /* EXPECT: silence in local_joined */
{
	int local = 0;

	shared = &local;
	finish(start(write_shared));
	LOOK(local);
}

static void local_locked(void) /* EXPECT: silence in local_locked */
{
	int local = 0;

	shared = &local;
	run_two(write_locked, write_locked);
	LOOK(local);
}

static void *lend_local(void *arg)
{
	int local = 0;
	pthread_t t;

	shared = &local;
	t = start(write_shared);
	await_step(0);
	local = 2; /* EXPECT: data-race in local_of_thread */
	finish(t);
	return arg;
}

static void local_of_thread(void)
{
	finish(start(lend_local));
}

static void *lend_alloca(void *arg)
{
	int *local = (int *)alloca(400);
	pthread_t t;

	shared = local;
	t = start(write_shared);
	await_step(0);
	LOOK(local[0]); /* EXPECT: data-race in alloca_of_thread */
	finish(t);
	return arg;
}

static void alloca_of_thread(void)
{
	finish(start(lend_alloca));
}

/* Deep into its stack and up again. */
static int dive(int depth)
{
	volatile char pit[2000];

	pit[depth % 2000] = (char)depth;
	return depth ? dive(depth - 1) + pit[depth % 2000] : 0;
}

static void *diver(void *arg)
{
	LOOK(dive(100));
	return arg;
}

/* Nobody joins them; glibc gives their stacks to the next ones. */
static void *diver_detached(void *arg)
{
	LOOK(dive(100));
	step(1);
	return arg;
}

static void handed_down(void) /* EXPECT: silence in handed_down */
{
	for (int i = 0; i < 50; i++) {
		OK(pthread_detach(start(diver_detached)));
		await_steps(1, 1);
	}
}

static void handed_down_joined(void) /* EXPECT: silence in handed_down_joined */
{
	for (int i = 0; i < 50; i++)
		run_two(diver, diver);
}

/* A stack of the program's own, used by one thread after the other. */
static void own_stack(void) /* EXPECT: silence in own_stack */
{
	static char stack[1 << 20] __attribute__((aligned(64)));
	pthread_attr_t a;
	pthread_t t;

	OK(pthread_attr_init(&a));
	OK(pthread_attr_setstack(&a, stack, sizeof(stack)));
	for (int i = 0; i < 5; i++) {
		OK(pthread_create(&t, &a, diver, NULL));
		finish(t);
	}
	stack[500000] = 1;
}

CASES(CASE(local_of_main), CASE(local_joined), CASE(local_locked), CASE(local_of_thread), CASE(alloca_of_thread),
      CASE(handed_down), CASE(handed_down_joined), CASE(own_stack))
