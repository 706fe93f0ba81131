/*
 * counter_locked.c - The teaching notes' repair of counter.c: a lock around read, wait and write.
 *
 * One thread at a time, so it is slow, and right: it prints 0. The innocent twin: snarl says "no problems found".
 */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define THREADS 100

static int n = 100;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *work(void *arg)
{
	pthread_mutex_lock(&lock);
	int temp = n;
	usleep(1000);
	n = temp - 1;
	pthread_mutex_unlock(&lock);
	return arg;
}

int main(void)
{
	pthread_t thread[THREADS];

	for (int i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, work, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	printf("%d\n", n);
	return 0;
}
