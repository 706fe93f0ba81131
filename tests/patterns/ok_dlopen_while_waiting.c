/* EXPECT: nothing */
/* A library goes away, which every thread is told of at its next call, while one sleeps in a wait: its wait ends all the same, and
 * what it waited on may be initialised anew. */
#include "basics.h"
#include "invisible.h"
#include <dlfcn.h>
#include <limits.h>
#include <semaphore.h>
#include <unistd.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static sem_t s;
static struct gate ready;
static int signalled;

static void *waiter(void *arg)
{
	pthread_mutex_lock(&m);
	gate_open(&ready);
	while (!signalled)
		pthread_cond_wait(&c, &m);
	pthread_mutex_unlock(&m);
	OK(pthread_cond_init(&c, NULL));
	sem_wait(&s);
	MUST(sem_init(&s, 0, 0) == 0);
	return arg;
}

int main(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	pthread_t t;
	void *lib;

	MUST(n > 0 && sem_init(&s, 0, 0) == 0);
	path[n] = 0;
	strcpy(strrchr(path, '/'), "/plugin.so");
	t = start(waiter);
	gate_wait(&ready);
	pthread_mutex_lock(&m); /* it is in its wait now */
	MUST((lib = dlopen(path, RTLD_NOW | RTLD_LOCAL)) && dlclose(lib) == 0);
	signalled = 1;
	pthread_cond_signal(&c);
	pthread_mutex_unlock(&m);
	usleep(20000); /* so that it is in the other one, most of the time */
	MUST((lib = dlopen(path, RTLD_NOW | RTLD_LOCAL)) && dlclose(lib) == 0);
	sem_post(&s);
	finish(t);
	return 0;
}
