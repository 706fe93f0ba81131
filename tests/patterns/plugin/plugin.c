/* plugin.c - A library with locks in it, opened and closed by ok_dlopen.c; patterns.test builds it. */
#include <pthread.h>

int plugin_work(pthread_mutex_t *outside, int inside_first);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

__attribute__((constructor)) static void loaded(void)
{
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
}

__attribute__((destructor)) static void unloaded(void)
{
	pthread_rwlock_wrlock(&rw);
	pthread_rwlock_unlock(&rw);
}

int plugin_work(pthread_mutex_t *outside, int inside_first)
{
	pthread_mutex_t *first = inside_first ? &lock : outside;
	pthread_mutex_t *second = inside_first ? outside : &lock;

	pthread_mutex_lock(first);
	pthread_mutex_lock(second);
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(second);
	pthread_mutex_unlock(first);
	return inside_first;
}
