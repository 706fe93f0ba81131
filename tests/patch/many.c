/* many.c - 500 live threads, then 5,000 short ones. */
#include "start.h"

#define LIVE 500

static pthread_barrier_t barrier;
static long cells[LIVE][16];

static void *live(void *arg)
{
	long *c = arg;
	for (int i = 0; i < 100; i++)
		c[i & 15] += i;
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 100; i++)
		c[i & 15] += i;
	return NULL;
}

static void *brief(void *arg)
{
	long *c = arg;
	c[3]++;
	return NULL;
}

int main(void)
{
	static pthread_t t[LIVE];
	pthread_attr_t attr;
	long sum = 0;
	OK(pthread_attr_init(&attr));
	OK(pthread_attr_setstacksize(&attr, 64 << 10));
	OK(pthread_barrier_init(&barrier, NULL, LIVE));
	for (int i = 0; i < LIVE; i++)
		OK(pthread_create(&t[i], &attr, live, cells[i]));
	for (int i = 0; i < LIVE; i++)
		OK(pthread_join(t[i], NULL));
	for (int i = 0; i < 5000; i++) {
		OK(pthread_create(&t[0], &attr, brief, cells[i % LIVE]));
		OK(pthread_join(t[0], NULL));
	}
	for (int i = 0; i < LIVE; i++)
		for (int k = 0; k < 16; k++)
			sum += cells[i][k] * (k + 1);
	printf("%ld\n", sum);
	return 0;
}
