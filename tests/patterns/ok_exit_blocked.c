/* EXPECT: nothing */
/* main returns while daemon threads are blocked on a semaphore, a condition, a mutex one of them holds, and a barrier.
 */
#include "basics.h"
#include "invisible.h"
#include <semaphore.h>

static sem_t s;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t b;
static struct gate is_held;
static struct meeting all;

static void *on_sem(void *arg)
{
	pthread_mutex_lock(&held);
	gate_open(&is_held);
	meet(&all, 5);
	sem_wait(&s);
	return arg;
}

static void *on_cond(void *arg)
{
	pthread_mutex_lock(&m);
	meet(&all, 5);
	for (;;)
		pthread_cond_wait(&c, &m);
	return arg;
}

static void *on_mutex(void *arg)
{
	gate_wait(&is_held);
	meet(&all, 5);
	pthread_mutex_lock(&held);
	return arg;
}

static void *on_barrier(void *arg)
{
	meet(&all, 5);
	pthread_barrier_wait(&b);
	return arg;
}

int main(void)
{
	sem_init(&s, 0, 0);
	pthread_barrier_init(&b, NULL, 2);
	pthread_detach(start(on_sem));
	pthread_detach(start(on_cond));
	pthread_detach(start(on_mutex));
	pthread_detach(start(on_barrier));
	meet(&all, 5);
	invisible_sleep_ms(50); /* time for all of them to fall asleep; none the worse if one has not */
	return 0;
}
