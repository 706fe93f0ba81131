/* Side by side in one cache line, at the same time, and still everybody's own. */
#include "race.h"

#define THREADS 4

long counter[THREADS];
static struct {
	short count;
	char letter;
	char flag;
} mixed[THREADS];

static void *count(void *arg)
{
	int me = (int)(long)arg;

	for (int i = 0; i < 20000; i++) {
		counter[me]++;
		__asm__ volatile("" : : : "memory");
	}
	return NULL;
}

static void *mix(void *arg)
{
	int me = (int)(long)arg;

	for (int i = 0; i < 20000; i++) {
		mixed[me].count++;
		mixed[me].letter = (char)i;
		mixed[me].flag ^= 1;
		__asm__ volatile("" : : : "memory");
	}
	return NULL;
}

static void with(void *(*f)(void *))
{
	pthread_t t[THREADS];

	for (long i = 0; i < THREADS; i++)
		t[i] = start_with(f, (void *)i);
	for (int i = 0; i < THREADS; i++)
		finish(t[i]);
}

static void words(void) /* EXPECT: silence in words */
{
	with(count);
	for (int i = 0; i < THREADS; i++)
		MUST(counter[i] == 20000);
}

static void members(void) /* EXPECT: silence in members */
{
	with(mix);
	for (int i = 0; i < THREADS; i++)
		MUST(mixed[i].count == 20000);
}

/* A matrix by rows; in the racy case the last row of one is the first of the next. */
#define N 32
int matrix[N][N];
static int overlap;

static void *rows(void *arg)
{
	int me = (int)(long)arg, first = me * (N / 2), last = first + N / 2 - 1 + (me == 0 ? overlap : 0);

	if (me == 1)
		await_step(0);
	for (int i = first; i <= last; i++)
		for (int k = 0; k < N; k++)
			matrix[i][k] += i * k; /* EXPECT: data-race in one_row_too_many */
	if (me == 0)
		step(0);
	return NULL;
}

static void two_halves(void)
{
	pthread_t a = start_with(rows, (void *)0L), b = start_with(rows, (void *)1L);

	finish(a);
	finish(b);
}

static void partition(void) /* EXPECT: silence in partition */
{
	two_halves();
}

static void one_row_too_many(void)
{
	overlap = 1;
	two_halves();
}

CASES(CASE(words), CASE(members), CASE(partition), CASE(one_row_too_many))
