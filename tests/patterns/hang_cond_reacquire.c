/* EXPECT: deadlock:confirmed [lock-order]; hangs */
/* The waiter is woken, but its mutex is held by the waker, who waits for the lock the waiter kept through the wait. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t outer = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t inner = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static struct gate waiter_there;
static int ready;

static void *waiter(void *arg)
{
	pthread_mutex_lock(&outer);
	pthread_mutex_lock(&inner);
	gate_open(&waiter_there);
	while (!ready)
		pthread_cond_wait(&cond, &inner);
	pthread_mutex_unlock(&inner);
	pthread_mutex_unlock(&outer);
	return arg;
}

static void *waker(void *arg)
{
	gate_wait(&waiter_there);
	pthread_mutex_lock(&inner);
	ready = 1;
	pthread_cond_signal(&cond);
	pthread_mutex_lock(&outer);
	pthread_mutex_unlock(&outer);
	pthread_mutex_unlock(&inner);
	return arg;
}

int main(void)
{
	run_two(waiter, waker);
	return 0;
}
