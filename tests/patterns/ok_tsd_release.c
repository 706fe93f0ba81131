/* EXPECT: nothing */
/* The lock a thread holds when its function returns is released by its thread-specific-data destructor, or by its
 * cleanup handler on pthread_exit: it does not end holding it. */
#include "basics.h"

static pthread_key_t key;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

static void release(void *held)
{
	pthread_mutex_unlock(held);
}

static void *by_destructor(void *arg)
{
	pthread_mutex_lock(&m);
	pthread_setspecific(key, &m);
	return arg;
}

static void *by_cleanup(void *arg)
{
	pthread_mutex_lock(&m);
	pthread_cleanup_push(release, &m);
	pthread_exit(arg);
	pthread_cleanup_pop(0);
	return arg;
}

int main(void)
{
	OK(pthread_key_create(&key, release));
	for (int i = 0; i < 5; i++)
		run_two(by_destructor, by_cleanup);
	return 0;
}
