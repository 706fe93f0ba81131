/* EXPECT: nothing */
/* Detached workers: the last one signals the end under the lock and ends itself, while main sleeps in its condition wait. */
#include "basics.h"

#define WORKERS 4

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_done = PTHREAD_COND_INITIALIZER;
static int left;

static void *work(void *arg)
{
	pthread_mutex_lock(&m);
	if (--left == 0)
		pthread_cond_signal(&all_done);
	pthread_mutex_unlock(&m);
	return arg;
}

int main(void)
{
	for (int round = 0; round < 300; round++) {
		left = WORKERS;
		for (int i = 0; i < WORKERS; i++)
			OK(pthread_detach(start(work)));
		pthread_mutex_lock(&m);
		while (left)
			pthread_cond_wait(&all_done, &m);
		pthread_mutex_unlock(&m);
	}
	return 0;
}
