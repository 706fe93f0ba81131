/* EXPECT: unlock-not-held:confirmed lock-order:possible */
/* The first findings of the program fall into a thread with the smallest stack there is. */
#include "basics.h"
#include "invisible.h"
#include <limits.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER, n = PTHREAD_MUTEX_INITIALIZER;

static struct gate over; /* or the two orders might really meet */

static void *other_order(void *arg)
{
	pthread_mutex_lock(&m);
	pthread_mutex_lock(&n);
	pthread_mutex_unlock(&n);
	pthread_mutex_unlock(&m);
	gate_open(&over);
	return arg;
}

static void *work(void *arg)
{
	pthread_mutex_lock(&n);
	pthread_mutex_lock(&m); // EXPECT lock-order
	pthread_mutex_unlock(&m);
	pthread_mutex_unlock(&n);
	pthread_mutex_unlock(&m); // EXPECT unlock-not-held
	return arg;
}

int main(void)
{
	pthread_attr_t attr;
	pthread_t other = start(other_order), t;

	gate_wait(&over);
	pthread_attr_init(&attr);
	OK(pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN));
	OK(pthread_create(&t, &attr, work, NULL));
	finish(t);
	finish(other);
	return 0;
}
