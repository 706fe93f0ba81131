/* EXPECT: owner-dead:confirmed [call-error] [exit-holding] */
/* EOWNERDEAD, unlocked without being made consistent: the mutex is lost for good. */
#include "basics.h"

static pthread_mutex_t m;

static void *die(void *arg)
{
	pthread_mutex_lock(&m);
	return arg;
}

int main(void)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	OK(pthread_mutex_init(&m, &attr));
	finish(start(die));
	MUST(pthread_mutex_lock(&m) == EOWNERDEAD);
	OK(pthread_mutex_unlock(&m)); // EXPECT owner-dead
	MUST(pthread_mutex_lock(&m) == ENOTRECOVERABLE);
	return 0;
}
