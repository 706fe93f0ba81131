/* EXPECT: nothing */
/* A recursive mutex taken again under an inner lock: it is held already, so nobody can be waited for. */
#include "basics.h"

static pthread_mutex_t r, inner = PTHREAD_MUTEX_INITIALIZER;

static void *nest(void *arg)
{
	for (int i = 0; i < 10; i++) {
		pthread_mutex_lock(&r);
		pthread_mutex_lock(&inner);
		pthread_mutex_lock(&r);
		MUST(pthread_mutex_trylock(&r) == 0);
		pthread_mutex_unlock(&r);
		pthread_mutex_unlock(&r);
		pthread_mutex_unlock(&inner);
		pthread_mutex_unlock(&r);
	}
	return arg;
}

int main(void)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	OK(pthread_mutex_init(&r, &attr));
	pthread_mutexattr_destroy(&attr);
	run_two(nest, nest);
	OK(pthread_mutex_destroy(&r));
	return 0;
}
