/* service.c - A library with a thread of its own, started by its constructor and ended by its destructor; see
 * ok_dlopen_thread.c. patterns.test builds it. */
#include <pthread.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static pthread_t service;
static int waits;

static void release(void *arg)
{
	pthread_mutex_unlock(arg);
}

static void *serve(void *arg)
{
	pthread_mutex_lock(&m);
	pthread_cleanup_push(release, &m);
	waits = 1;
	for (;;)
		pthread_cond_wait(&c, &m);
	pthread_cleanup_pop(1);
	return arg;
}

/* The loader's lock is held here by the only other thread. */
__attribute__((constructor)) static void loaded(void)
{
	pthread_create(&service, NULL, serve, NULL);
	for (int there = 0; !there;) {
		pthread_mutex_lock(&m);
		there = waits;
		pthread_mutex_unlock(&m);
	}
}

__attribute__((destructor)) static void unloaded(void)
{
	pthread_cancel(service);
	pthread_join(service, NULL);
}
