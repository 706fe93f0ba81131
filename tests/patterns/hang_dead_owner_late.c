/* EXPECT: dead-owner:confirmed exit-holding:confirmed; hangs */
/* The waiter was waiting already when the owner ended holding the lock: nobody calls anything any more. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static struct gate held, waiting;

static void *forgetful(void *arg)
{
	pthread_mutex_lock(&m);
	gate_open(&held);
	gate_wait(&waiting);
	invisible_sleep_ms(30); /* it sleeps in the lock by then */
	return arg;
}

static void *waiter(void *arg)
{
	gate_wait(&held);
	gate_open(&waiting);
	pthread_mutex_lock(&m);
	pthread_mutex_unlock(&m);
	return arg;
}

int main(void)
{
	run_two(forgetful, waiter);
	return 0;
}
