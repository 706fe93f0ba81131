/* EXPECT: stall:confirmed|deadlock:confirmed [lock-order]; hangs */
/* The waiter keeps a lock while it waits for a wake-up that needs this lock; no ring of locks, everybody asleep. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t outer = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static struct gate waiting;
static int ready;

static void *waiter(void *arg)
{
	pthread_mutex_lock(&outer);
	pthread_mutex_lock(&m);
	gate_open(&waiting);
	while (!ready)
		pthread_cond_wait(&c, &m);
	pthread_mutex_unlock(&m);
	pthread_mutex_unlock(&outer);
	return arg;
}

static void *waker(void *arg)
{
	gate_wait(&waiting);
	pthread_mutex_lock(&outer);
	pthread_mutex_lock(&m);
	ready = 1;
	pthread_cond_signal(&c);
	pthread_mutex_unlock(&m);
	pthread_mutex_unlock(&outer);
	return arg;
}

int main(void)
{
	run_two(waiter, waker);
	return 0;
}
