/* pthread barriers: phases are ordered, what happens within one is not. */
#include "race.h"

#define THREADS 4

int data[THREADS];
int sum;
static pthread_barrier_t b;

/* Writes its own, reads its neighbour's in the next phase, and so on. */
static void *phases(void *arg)
{
	int me = (int)(long)arg;

	for (int i = 0; i < 20; i++) {
		data[me] = i;
		pthread_barrier_wait(&b);
		LOOK(data[(me + 1) % THREADS]);
		pthread_barrier_wait(&b);
	}
	return NULL;
}

static void *one_barrier_short(void *arg)
{
	int me = (int)(long)arg;

	data[me] = 1;
	pthread_barrier_wait(&b);
	if (me == 1) {
		LOOK(data[0]); /* EXPECT: data-race in no_second_barrier */
		step(0);
	}
	if (me == 0) {
		await_step(0);
		data[0] = 2; /* EXPECT: data-race in no_second_barrier */
	}
	return NULL;
}

static void *same_phase(void *arg)
{
	int me = (int)(long)arg;

	pthread_barrier_wait(&b);
	/* Number 1 has left the first barrier for sure when number 0 writes and goes on to the second one. */
	if (me == 1) {
		step(1);
		await_step(0);
	}
	if (me == 0)
		await_step(1);
	if (me <= 1)
		sum++; /* EXPECT: data-race in within_a_phase */
	if (me == 0)
		step(0);
	pthread_barrier_wait(&b);
	return NULL;
}

static void *serial(void *arg)
{
	int me = (int)(long)arg;

	for (int i = 0; i < 20; i++) {
		data[me]++;
		if (pthread_barrier_wait(&b) == PTHREAD_BARRIER_SERIAL_THREAD)
			for (int k = 0; k < THREADS; k++)
				sum += data[k];
		pthread_barrier_wait(&b);
	}
	return NULL;
}

static void with(void *(*f)(void *))
{
	pthread_t t[THREADS];

	OK(pthread_barrier_init(&b, NULL, THREADS));
	for (long i = 0; i < THREADS; i++)
		t[i] = start_with(f, (void *)i);
	for (int i = 0; i < THREADS; i++)
		finish(t[i]);
	OK(pthread_barrier_destroy(&b));
}

static void neighbours(void) /* EXPECT: silence in neighbours */
{
	with(phases);
}

static void serial_thread(void) /* EXPECT: silence in serial_thread */
{
	with(serial);
}

static void no_second_barrier(void)
{
	with(one_barrier_short);
}

static void within_a_phase(void)
{
	with(same_phase);
}

CASES(CASE(neighbours), CASE(serial_thread), CASE(no_second_barrier), CASE(within_a_phase))
