/* EXPECT: nothing */
/* Eight threads, eight locks, always in address order, as contended as it gets: every wait is a chance to see a ring
 * that is none. */
#include "basics.h"

#define THREADS 8
#define LOCKS   8

static pthread_mutex_t lock[LOCKS];
static long sum;

static void *work(void *arg)
{
	unsigned seed = (unsigned)(size_t)arg * 7919u + 1;

	for (int i = 0; i < 1000; i++) {
		unsigned set;

		seed = seed * 1103515245u + 12345;
		set = seed >> 16 & ((1u << LOCKS) - 1);
		for (unsigned l = 0; l < LOCKS; l++)
			if (set >> l & 1)
				pthread_mutex_lock(&lock[l]);
		if (set & 1)
			sum++;
		for (unsigned l = 0; l < LOCKS; l++)
			if (set >> l & 1)
				pthread_mutex_unlock(&lock[l]);
	}
	return NULL;
}

int main(void)
{
	pthread_t t[THREADS];

	for (int i = 0; i < LOCKS; i++)
		OK(pthread_mutex_init(&lock[i], NULL));
	for (long i = 0; i < THREADS; i++)
		t[i] = start_with(work, (void *)i);
	for (int i = 0; i < THREADS; i++)
		finish(t[i]);
	return 0;
}
