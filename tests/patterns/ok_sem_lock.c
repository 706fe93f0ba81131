/* EXPECT: nothing */
/* A semaphore used as a lock, in the same order as the mutex everywhere. */
#include "basics.h"
#include <semaphore.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static sem_t s;

static void *work(void *arg)
{
	for (int i = 0; i < 50; i++) {
		sem_wait(&s);
		pthread_mutex_lock(&m);
		pthread_mutex_unlock(&m);
		sem_post(&s);
	}
	return arg;
}

int main(void)
{
	sem_init(&s, 0, 1);
	run_two(work, work);
	sem_destroy(&s);
	return 0;
}
