/*
 * threads_200.c - The teaching notes' two hundred threads ("lock"): each takes the lock, adds one, and is joined before
 * the next one starts.
 *
 * Prints 200. One thread at a time twice over, by the lock and by the join: threads_200_nolock.c does without the lock.
 *
 * snarl says: no problems found.
 */
#include <pthread.h>
#include <stdio.h>

static int num;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *run(void *arg)
{
	pthread_mutex_lock(&lock);
	num += 1;
	pthread_mutex_unlock(&lock);
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
