/*
 * pairs.c - Nanoseconds per lock/unlock pair, for one shape of locking at a time.
 *
 *   pairs first          one mutex, nothing else held
 *   pairs nested3        three mutexes, one inside the other
 *   pairs steady N       depth 8 through N mutexes, always the same orders: every edge is known after the first round
 *   pairs random N       two different mutexes out of N at random, the lower first: new edges until all are known
 *   pairs short          as first, fewer rounds
 *   pairs contended      two threads on one mutex
 *
 * Prints one number: ns per pair. Runs long enough to be compared, not to be believed alone.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static pthread_mutex_t *lock;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static unsigned next_random(unsigned long *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(*state >> 33);
}

static double first(long rounds)
{
	double from = now();
	for (long i = 0; i < rounds; i++) {
		pthread_mutex_lock(&lock[0]);
		pthread_mutex_unlock(&lock[0]);
	}
	return (now() - from) / (double)rounds;
}

static double nested3(long rounds)
{
	double from = now();
	for (long i = 0; i < rounds; i++) {
		pthread_mutex_lock(&lock[0]);
		pthread_mutex_lock(&lock[1]);
		pthread_mutex_lock(&lock[2]);
		pthread_mutex_unlock(&lock[2]);
		pthread_mutex_unlock(&lock[1]);
		pthread_mutex_unlock(&lock[0]);
	}
	return (now() - from) / (double)rounds / 3;
}

static double steady(unsigned nr, long rounds)
{
	double from = 0;
	/* One round to get to know the edges. */
	for (long i = -1; i < rounds; i++) {
		if (i == 0)
			from = now();
		for (unsigned at = 0; at + 8 <= nr; at += 8) {
			for (unsigned d = 0; d < 8; d++)
				pthread_mutex_lock(&lock[at + d]);
			for (unsigned d = 8; d-- > 0;)
				pthread_mutex_unlock(&lock[at + d]);
		}
	}
	return (now() - from) / (double)rounds / (nr / 8 * 8);
}

static double random_pairs(unsigned nr, long rounds)
{
	unsigned long state = 42;
	double from = now();
	for (long i = 0; i < rounds; i++) {
		unsigned a = next_random(&state) % nr, b = next_random(&state) % nr;
		if (a == b)
			b = (a + 1) % nr;
		unsigned low = a < b ? a : b, high = a < b ? b : a;
		pthread_mutex_lock(&lock[low]);
		pthread_mutex_lock(&lock[high]);
		pthread_mutex_unlock(&lock[high]);
		pthread_mutex_unlock(&lock[low]);
	}
	return (now() - from) / (double)rounds / 2;
}

static long shared_rounds;

static void *hammer(void *arg)
{
	(void)arg;
	for (long i = 0; i < shared_rounds; i++) {
		pthread_mutex_lock(&lock[0]);
		pthread_mutex_unlock(&lock[0]);
	}
	return NULL;
}

static double contended(long rounds)
{
	pthread_t t[2];
	double from = now();
	shared_rounds = rounds;
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, hammer, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	return (now() - from) / (double)rounds / 2;
}

static const char *shape;
static unsigned nr = 8;
static double result;

static void *idle(void *arg) { return arg; }

static void *measure(void *arg)
{
	(void)arg;
	if (strcmp(shape, "first") == 0)
		result = first(5000000);
	else if (strcmp(shape, "short") == 0) /* for tools a thousand times slower */
		result = first(50000);
	else if (strcmp(shape, "nested3") == 0)
		result = nested3(2000000);
	else if (strcmp(shape, "steady") == 0)
		result = steady(nr, 8000000 / (long)nr);
	else if (strcmp(shape, "random") == 0)
		result = random_pairs(nr, 3000000);
	else if (strcmp(shape, "contended") == 0)
		result = contended(500000);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t;
	if (argc < 2)
		return 2;
	shape = argv[1];
	if (argc > 2)
		nr = (unsigned)atoi(argv[2]);
	lock = calloc(nr < 8 ? 8 : nr, sizeof *lock);
	for (unsigned i = 0; i < (nr < 8 ? 8 : nr); i++)
		pthread_mutex_init(&lock[i], NULL);
	/* A second thread, so that libc takes no single-threaded short cuts. */
	pthread_create(&t, NULL, idle, NULL);
	pthread_join(t, NULL);
	pthread_create(&t, NULL, measure, NULL);
	pthread_join(t, NULL);
	printf("%.2f\n", result);
	return result == 0;
}
