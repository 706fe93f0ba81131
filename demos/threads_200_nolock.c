/*
 * threads_200_nolock.c - The teaching notes' two hundred threads without their lock, which they do not need.
 *
 * Each thread is joined before the next one starts: what it wrote is there for the next one to read. Prints 200.
 *
 * snarl says: no problems found. Who only asks "was there a lock?" would raise a false alarm here.
 */
#include <pthread.h>
#include <stdio.h>

static int num;

static void *run(void *arg)
{
	num += 1;
	return arg;
}

int main(void)
{
	for (int i = 0; i < 200; i++) {
		pthread_t t;

		pthread_create(&t, NULL, run, NULL);
		pthread_join(t, NULL);
	}
	printf("%d\n", num);
	return 0;
}
