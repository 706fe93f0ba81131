/* EXPECT: nothing */
/* Two semaphores as locks; the second is only tried the other way round. And one that guards an inversion of two others. */
#include "basics.h"
#include "invisible.h"
#include <semaphore.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER, n = PTHREAD_MUTEX_INITIALIZER;
static sem_t a, b, guard;
static struct gate first_done;

static void *ab(void *arg)
{
	for (int i = 0; i < 3; i++) {
		sem_wait(&a);
		sem_wait(&b);
		sem_post(&b);
		sem_post(&a);
		sem_wait(&guard);
		pthread_mutex_lock(&m);
		pthread_mutex_lock(&n);
		pthread_mutex_unlock(&n);
		pthread_mutex_unlock(&m);
		sem_post(&guard);
	}
	gate_open(&first_done);
	return arg;
}

static void *ba(void *arg)
{
	gate_wait(&first_done);
	for (int i = 0; i < 3; i++) {
		sem_wait(&b);
		if (sem_trywait(&a) == 0)
			sem_post(&a);
		sem_post(&b);
		sem_wait(&guard);
		pthread_mutex_lock(&n);
		pthread_mutex_lock(&m);
		pthread_mutex_unlock(&m);
		pthread_mutex_unlock(&n);
		sem_post(&guard);
	}
	return arg;
}

int main(void)
{
	MUST(sem_init(&a, 0, 1) == 0);
	MUST(sem_init(&b, 0, 1) == 0);
	MUST(sem_init(&guard, 0, 1) == 0);
	run_two(ab, ba);
	return 0;
}
