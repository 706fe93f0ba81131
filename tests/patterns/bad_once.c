/* EXPECT: lock-order:possible */
/* The initialisation takes the lock; the other thread calls pthread_once with the lock held. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct gate first_done;

static void initialise(void)
{
	pthread_mutex_lock(&a);
	pthread_mutex_unlock(&a);
}

static void *once_then_a(void *arg)
{
	pthread_once(&once, initialise);
	gate_open(&first_done);
	return arg;
}

static void *a_then_once(void *arg)
{
	gate_wait(&first_done);
	pthread_mutex_lock(&a);
	pthread_once(&once, initialise);
	pthread_mutex_unlock(&a);
	return arg;
}

int main(void)
{
	run_two(once_then_a, a_then_once);
	return 0;
}
