/* EXPECT: nothing */
/* It looks like a lock for a while, even like one side of an inversion; then somebody else posts it. */
#include "basics.h"
#include "invisible.h"
#include <semaphore.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static sem_t s;
static struct gate first_done, second_holds;

static void *sem_then_m(void *arg)
{
	for (int i = 0; i < 5; i++) {
		sem_wait(&s);
		pthread_mutex_lock(&m);
		pthread_mutex_unlock(&m);
		sem_post(&s);
	}
	gate_open(&first_done);
	return arg;
}

static void *m_then_sem(void *arg)
{
	gate_wait(&first_done);
	pthread_mutex_lock(&m);
	sem_wait(&s);
	pthread_mutex_unlock(&m);
	gate_open(&second_holds);
	return arg;
}

static void *waker(void *arg)
{
	gate_wait(&second_holds);
	sem_post(&s);
	sem_wait(&s);
	sem_post(&s);
	return arg;
}

int main(void)
{
	pthread_t t;

	MUST(sem_init(&s, 0, 1) == 0);
	t = start(waker);
	run_two(sem_then_m, m_then_sem);
	finish(t);
	return 0;
}
