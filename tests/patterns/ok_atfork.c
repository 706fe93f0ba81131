/* EXPECT: nothing */
/* The lock is taken around fork by pthread_atfork, released on both sides; the child starts a thread of its own. */
#include "basics.h"
#include "invisible.h"
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t inner = PTHREAD_MUTEX_INITIALIZER;
static int stop;

static void prepare(void)
{
	pthread_mutex_lock(&m);
	pthread_mutex_lock(&inner);
}

static void release(void)
{
	pthread_mutex_unlock(&inner);
	pthread_mutex_unlock(&m);
}

static void *churn(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		pthread_mutex_lock(&m);
		pthread_mutex_lock(&inner);
		pthread_mutex_unlock(&inner);
		pthread_mutex_unlock(&m);
	}
	return arg;
}

static void *once(void *arg)
{
	prepare();
	release();
	return arg;
}

int main(void)
{
	pthread_t t;

	OK(pthread_atfork(prepare, release, release));
	t = start(churn);
	for (int i = 0; i < 5; i++) {
		pid_t child = fork();
		int status;

		MUST(child >= 0);
		if (child == 0) {
			finish(start(once));
			_exit(0);
		}
		MUST(waitpid(child, &status, 0) == child && status == 0);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
	finish(t);
	return 0;
}
