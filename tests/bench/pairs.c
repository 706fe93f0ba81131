/*
 * pairs.c - Nanoseconds per lock/unlock pair, for one shape of locking at a time.
 *
 *   pairs first          one mutex, nothing else held
 *   pairs nested3        three mutexes, one inside the other
 *   pairs steady N       depth 8 through N mutexes, always the same orders: every edge is known after the first round
 *   pairs known N        two different mutexes out of N at random, the lower first, after every such pair has been seen once
 *   pairs random N       the same from the start: the first time of every pair is in it
 *   pairs new N          every pair of N mutexes exactly once, in random order: each a new dependency
 *   pairs fifo N         N mutexes taken in one order and released in the same one
 *   pairs short          as first, fewer rounds
 *   pairs contended      two threads on one mutex
 *
 * Prints one number: ns per pair; of what repeats itself the best of many batches of a tenth of a millisecond or so, because
 * whatever else the machine does only ever adds to it. "random", "new" and "contended" are means over the whole run.
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

/* The best batch so far, in ns per pair. */
static double best;

static void batch_over(double from, long pairs)
{
	double ns = (now() - from) / (double)pairs;
	if (best == 0 || ns < best)
		best = ns;
}

static double first(int batches)
{
	while (batches--) {
		double from = now();
		for (long i = 0; i < 5000; i++) {
			pthread_mutex_lock(&lock[0]);
			pthread_mutex_unlock(&lock[0]);
		}
		batch_over(from, 5000);
	}
	return best;
}

static double nested3(int batches)
{
	while (batches--) {
		double from = now();
		for (long i = 0; i < 2000; i++) {
			pthread_mutex_lock(&lock[0]);
			pthread_mutex_lock(&lock[1]);
			pthread_mutex_lock(&lock[2]);
			pthread_mutex_unlock(&lock[2]);
			pthread_mutex_unlock(&lock[1]);
			pthread_mutex_unlock(&lock[0]);
		}
		batch_over(from, 6000);
	}
	return best;
}

/* A batch is a few rounds over all locks, at least 10,000 pairs. */
static double steady(unsigned nr, int batches)
{
	unsigned rounds = 10000 / nr + 1;
	while (batches--) {
		double from = now();
		for (unsigned r = 0; r < rounds; r++)
			for (unsigned at = 0; at + 8 <= nr; at += 8) {
				for (unsigned d = 0; d < 8; d++)
					pthread_mutex_lock(&lock[at + d]);
				for (unsigned d = 8; d-- > 0;)
					pthread_mutex_unlock(&lock[at + d]);
			}
		batch_over(from, (long)rounds * (nr / 8 * 8));
	}
	return best;
}

static double fifo(unsigned nr, int batches)
{
	while (batches--) {
		double from = now();
		for (unsigned i = 0; i < nr; i++)
			pthread_mutex_lock(&lock[i]);
		for (unsigned i = 0; i < nr; i++)
			pthread_mutex_unlock(&lock[i]);
		batch_over(from, nr);
	}
	return best;
}

static void two(unsigned a, unsigned b)
{
	pthread_mutex_lock(&lock[a]);
	pthread_mutex_lock(&lock[b]);
	pthread_mutex_unlock(&lock[b]);
	pthread_mutex_unlock(&lock[a]);
}

static void random_two(unsigned nr, unsigned long *state)
{
	unsigned a = next_random(state) % nr, b = next_random(state) % nr;
	if (a == b)
		b = (a + 1) % nr;
	two(a < b ? a : b, a < b ? b : a);
}

static double known_pairs(unsigned nr, int batches)
{
	unsigned long state = 42;
	for (unsigned a = 0; a < nr; a++)
		for (unsigned b = a + 1; b < nr; b++)
			two(a, b);
	while (batches--) {
		double from = now();
		for (long i = 0; i < 5000; i++)
			random_two(nr, &state);
		batch_over(from, 10000);
	}
	return best;
}

static double random_pairs(unsigned nr, long rounds)
{
	unsigned long state = 42;
	double from = now();
	for (long i = 0; i < rounds; i++)
		random_two(nr, &state);
	return (now() - from) / (double)rounds / 2;
}

static double new_pairs(unsigned nr)
{
	unsigned long state = 42;
	unsigned n = 0, (*pair)[2] = malloc((size_t)nr * nr / 2 * sizeof *pair);
	for (unsigned a = 0; a < nr; a++)
		for (unsigned b = a + 1; b < nr; b++, n++) {
			unsigned j = (unsigned)(((unsigned long)next_random(&state) << 20 ^ next_random(&state)) % (n + 1));
			pair[n][0] = pair[j][0], pair[n][1] = pair[j][1];
			pair[j][0] = a, pair[j][1] = b;
		}
	double from = now();
	for (unsigned i = 0; i < n; i++)
		two(pair[i][0], pair[i][1]);
	double ns = (now() - from) / n / 2;
	free(pair);
	return ns;
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
		result = first(2000);
	else if (strcmp(shape, "short") == 0) /* for tools a thousand times slower */
		result = first(10);
	else if (strcmp(shape, "nested3") == 0)
		result = nested3(2000);
	else if (strcmp(shape, "steady") == 0)
		result = steady(nr, 1000);
	else if (strcmp(shape, "fifo") == 0)
		result = fifo(nr, 300);
	else if (strcmp(shape, "known") == 0)
		result = known_pairs(nr, 1000);
	else if (strcmp(shape, "random") == 0)
		result = random_pairs(nr, 3000000);
	else if (strcmp(shape, "new") == 0)
		result = new_pairs(nr);
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
