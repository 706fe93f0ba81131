/* EXPECT: nothing */
/* A thread ends holding a robust mutex; the next one gets EOWNERDEAD and makes it consistent. That is what it is for.
 */
#include "basics.h"

static pthread_mutex_t m;

static void *die(void *arg)
{
	OK(pthread_mutex_lock(&m));
	return arg;
}

static void *heir(void *arg)
{
	MUST(pthread_mutex_lock(&m) == EOWNERDEAD);
	OK(pthread_mutex_consistent(&m));
	OK(pthread_mutex_unlock(&m));
	return arg;
}

static void *plain(void *arg)
{
	OK(pthread_mutex_lock(&m));
	OK(pthread_mutex_unlock(&m));
	return arg;
}

int main(void)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	OK(pthread_mutex_init(&m, &attr));
	finish(start(die));
	finish(start(heir));
	run_two(plain, plain);
	OK(pthread_mutex_destroy(&m));
	return 0;
}
