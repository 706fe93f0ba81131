/* EXPECT: nothing */
/* A thousand short threads, joined and detached in turn, each with locks of its own beside the common ones. */
#include "basics.h"
#include <semaphore.h>

#define THREADS 1000

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t b = PTHREAD_MUTEX_INITIALIZER;
static int sum;
static sem_t detached_done;

static void *work(void *arg)
{
	pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&a);
	pthread_mutex_lock(&b);
	pthread_mutex_lock(&own);
	sum++;
	pthread_mutex_unlock(&own);
	pthread_mutex_unlock(&b);
	pthread_mutex_unlock(&a);
	pthread_mutex_destroy(&own);
	if (arg)
		sem_post(&detached_done);
	return NULL;
}

int main(void)
{
	sem_init(&detached_done, 0, 0);
	for (int i = 0; i < THREADS / 2; i++) {
		pthread_t t = start(work);

		OK(pthread_detach(start_with(work, &sum)));
		finish(t);
	}
	for (int i = 0; i < THREADS / 2; i++)
		sem_wait(&detached_done);
	MUST(sum == THREADS);
	sem_destroy(&detached_done);
	return 0;
}
