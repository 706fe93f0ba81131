/* EXPECT: nothing */
/* A semaphore that starts at 1 but is posted by a thread that never waited on it: a signal, not a lock. Both orders are
 * fine. */
#include "basics.h"
#include "invisible.h"
#include <semaphore.h>

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static sem_t s;
static struct gate posted, first_done;

static void *sem_then_a(void *arg)
{
	gate_wait(&posted);
	sem_wait(&s);
	pthread_mutex_lock(&a);
	pthread_mutex_unlock(&a);
	gate_open(&first_done);
	return arg;
}

static void *a_then_sem(void *arg)
{
	gate_wait(&first_done);
	pthread_mutex_lock(&a);
	sem_wait(&s);
	pthread_mutex_unlock(&a);
	return arg;
}

static void *producer(void *arg)
{
	sem_post(&s);
	gate_open(&posted);
	return arg;
}

int main(void)
{
	pthread_t p;

	MUST(sem_init(&s, 0, 1) == 0);
	p = start(producer);
	run_two(sem_then_a, a_then_sem);
	finish(p);
	MUST(sem_destroy(&s) == 0);
	return 0;
}
