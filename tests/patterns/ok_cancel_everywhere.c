/* EXPECT: nothing */
/* Every call that is a cancellation point is cancelled, at any moment of it; afterwards nothing is held and nobody waits. */
#include "basics.h"
#include "invisible.h"
#include <semaphore.h>
#include <unistd.h>

enum { COND, COND_TIMED, SEM, SEM_TIMED, ONCE, JOIN, JOIN_TIMED, NR_KINDS };

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_t sleeper;
static sem_t s;

static void unlock(void *arg)
{
	pthread_mutex_unlock(arg);
}

static void initialise(void)
{
	sem_wait(&s);
}

static void *sleep_long(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void *wait_in(void *arg)
{
	struct timespec far = { 4000000000, 0 };

	switch ((int)(long)arg) {
	case COND:
	case COND_TIMED:
		pthread_mutex_lock(&m);
		pthread_cleanup_push(unlock, &m);
		if ((long)arg == COND)
			pthread_cond_wait(&c, &m);
		else
			pthread_cond_timedwait(&c, &m, &far);
		pthread_cleanup_pop(1);
		break;
	case SEM:
		sem_wait(&s);
		break;
	case SEM_TIMED:
		sem_timedwait(&s, &far);
		break;
	case ONCE:
		pthread_once(&once, initialise);
		break;
	case JOIN:
		pthread_join(sleeper, NULL);
		break;
	case JOIN_TIMED:
		pthread_timedjoin_np(sleeper, NULL, &far);
		break;
	}
	return NULL;
}

int main(void)
{
	void *result;

	sem_init(&s, 0, 0);
	sleeper = start(sleep_long);
	for (int round = 0; round < 60; round++)
		for (long kind = 0; kind < NR_KINDS; kind++) {
			pthread_t t = start_with(wait_in, (void *)kind);

			for (volatile int k = 0; k < round * 1000; k++)
				;
			OK(pthread_cancel(t));
			OK(pthread_join(t, &result));
			MUST(result == PTHREAD_CANCELED);
			OK(pthread_mutex_trylock(&m));
			pthread_mutex_unlock(&m);
		}
	OK(pthread_cancel(sleeper));
	finish(sleeper);
	return 0;
}
