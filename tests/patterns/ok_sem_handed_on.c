/* EXPECT: nothing */
/* A semaphore that starts at 1, taken by one thread and posted by another: what was seen before that counts no more. */
#include "basics.h"
#include "invisible.h"
#include <semaphore.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static sem_t s;
static struct gate taken;

static void *sem_then_m(void *arg)
{
	sem_wait(&s);
	pthread_mutex_lock(&m);
	pthread_mutex_unlock(&m);
	gate_open(&taken);
	return arg;
}

static void *m_then_sem(void *arg)
{
	gate_wait(&taken);
	sem_post(&s);
	for (int i = 0; i < 5; i++) {
		pthread_mutex_lock(&m);
		sem_wait(&s);
		sem_post(&s);
		pthread_mutex_unlock(&m);
	}
	return arg;
}

int main(void)
{
	MUST(sem_init(&s, 0, 1) == 0);
	run_two(sem_then_m, m_then_sem);
	return 0;
}
