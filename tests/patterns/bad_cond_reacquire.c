/* EXPECT: lock-order:possible */
/*
 * pthread_cond_wait takes its mutex again when it wakes, and may hold another one while it does: OUTER held, INNER
 * wanted. Nobody takes INNER under OUTER by a call to lock; the other thread takes OUTER under INNER.
 */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t outer = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t inner = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static struct gate waiter_there, waiter_done;
static int ready;

static void *waiter(void *arg)
{
	pthread_mutex_lock(&inner);
	pthread_mutex_lock(&outer); /* inner -> outer, as everybody else */
	gate_open(&waiter_there);   /* the other gets `inner` only once this one waits */
	while (!ready)
		pthread_cond_wait(&cond, &inner); // EXPECT lock-order
	pthread_mutex_unlock(&outer);
	pthread_mutex_unlock(&inner);
	gate_open(&waiter_done);
	return arg;
}

static void *other(void *arg)
{
	gate_wait(&waiter_there);
	pthread_mutex_lock(&inner);
	ready = 1;
	pthread_cond_signal(&cond);
	pthread_mutex_unlock(&inner);
	gate_wait(&waiter_done);
	pthread_mutex_lock(&inner);
	pthread_mutex_lock(&outer); // EXPECT lock-order
	pthread_mutex_unlock(&outer);
	pthread_mutex_unlock(&inner);
	return arg;
}

int main(void)
{
	run_two(waiter, other);
	return 0;
}
