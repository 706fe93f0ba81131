/* EXPECT: nothing [stall:advice] */
/* A thread wakes main in the very last round of its key destructors, when everything else of it is over. */
#include "basics.h"
#include <limits.h>
#include <semaphore.h>

static sem_t over;
static pthread_key_t key;
static __thread int rounds;

static void destroy(void *value)
{
	if (++rounds < PTHREAD_DESTRUCTOR_ITERATIONS)
		pthread_setspecific(key, value);
	else
		sem_post(&over);
}

static void *work(void *arg)
{
	OK(pthread_setspecific(key, &key));
	return arg;
}

int main(void)
{
	sem_init(&over, 0, 0);
	OK(pthread_key_create(&key, destroy));
	for (int i = 0; i < 300; i++) {
		pthread_t t = start(work);

		while (sem_wait(&over) != 0)
			MUST(errno == EINTR);
		finish(t);
	}
	return 0;
}
