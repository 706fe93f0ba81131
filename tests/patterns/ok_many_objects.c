/* EXPECT: nothing */
/* Hundreds of thousands of short-lived locks, and of orders among a few: what is kept for them has to stay small. */
#include "basics.h"

#define OBJECTS 100000
#define LOCKS	300
#define ROUNDS	20000
#define MOST_KB (32L << 10)

static long resident_kb(void)
{
	long all, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%ld %ld", &all, &resident) != 2)
		resident = 0;
	if (f)
		fclose(f);
	return resident * 4;
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* A few of many, always in rising order: nearly every combination is new. */
static void combinations(void)
{
	static pthread_mutex_t lock[LOCKS];
	unsigned seed = 1;

	for (int i = 0; i < LOCKS; i++)
		OK(pthread_mutex_init(&lock[i], NULL));
	for (int k = 0; k < ROUNDS; k++) {
		int which[4];

		for (int i = 0; i < 4; i++)
			which[i] = (int)((seed = seed * 1103515245 + 12345) >> 8) % LOCKS;
		qsort(which, 4, sizeof(which[0]), by_number);
		for (int i = 0; i < 4; i++)
			if (i == 0 || which[i] != which[i - 1])
				pthread_mutex_lock(&lock[which[i]]);
		for (int i = 3; i >= 0; i--)
			if (i == 0 || which[i] != which[i - 1])
				pthread_mutex_unlock(&lock[which[i]]);
	}
}

int main(void)
{
	long before = resident_kb();

	for (int i = 0; i < OBJECTS; i++) {
		pthread_mutex_t *m = malloc(sizeof(*m));

		pthread_mutex_init(m, NULL);
		pthread_mutex_lock(m);
		pthread_mutex_unlock(m);
		if (i % 2)
			pthread_mutex_destroy(m);
		free(m);
	}
	combinations();
	MUST(resident_kb() - before < MOST_KB);
	return 0;
}
