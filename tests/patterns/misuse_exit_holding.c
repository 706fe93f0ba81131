/* EXPECT: exit-holding:confirmed */
/* A thread ends while it holds a lock; nobody wants it any more, this time. */
#include "basics.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

static void *forgetful(void *arg)
{
	pthread_mutex_lock(&m); // EXPECT exit-holding
	return arg;
}

int main(void)
{
	finish(start(forgetful));
	return 0;
}
