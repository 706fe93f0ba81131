/* EXPECT: dead-owner:confirmed exit-holding:confirmed; hangs */
/* A thread ended holding the lock, long joined; whoever wants it now waits for ever. */
#include "basics.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

static void *forgetful(void *arg)
{
	pthread_mutex_lock(&m);
	return arg;
}

static void *waiter(void *arg)
{
	pthread_mutex_lock(&m); // EXPECT dead-owner
	pthread_mutex_unlock(&m);
	return arg;
}

int main(void)
{
	finish(start(forgetful));
	finish(start(waiter));
	return 0;
}
