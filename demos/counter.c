/*
 * counter.c - The teaching notes' counter ("the GIL does not protect your code"), in C.
 *
 * A hundred threads each take one off n = 100: read, wait, write back. All of them read before the first one writes, so
 * it prints 99, or a little less, instead of 0.
 *
 * snarl says: data-race on n, between the write of one thread and the read of another (once the race engine watches
 * memory accesses).
 */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define THREADS 100

static int n = 100;

static void *work(void *arg)
{
	int temp = n;
	usleep(50 * 1000);
	n = temp - 1; // EXPECT data-race
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
