/* EXPECT: nothing */
/* Two threads fork without pause while others make, take and free locks; the children start threads, exit or exec. */
#include "basics.h"
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static int stop;

static void *churn(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		pthread_mutex_t *x = malloc(64);

		pthread_mutex_init(x, NULL);
		pthread_mutex_lock(&m);
		pthread_mutex_lock(x);
		pthread_mutex_unlock(x);
		pthread_mutex_unlock(&m);
		pthread_mutex_destroy(x);
		free(x);
	}
	return arg;
}

static void *in_child(void *arg)
{
	pthread_mutex_t y = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&y);
	free(malloc(100));
	pthread_mutex_unlock(&y);
	return arg;
}

static void take(void)
{
	pthread_mutex_lock(&m);
}

static void release(void)
{
	pthread_mutex_unlock(&m);
}

static void *fork_often(void *arg)
{
	for (int i = 0; i < 40; i++) {
		pid_t p = fork();
		int status;

		MUST(p >= 0);
		if (p == 0) {
			alarm(20);
			finish(start(in_child));
			if (i % 2)
				exit(0);
			execl("/bin/true", "true", NULL);
			_exit(TEST_BROKEN);
		}
		MUST(waitpid(p, &status, 0) == p && status == 0);
	}
	return arg;
}

int main(void)
{
	pthread_t t[2];

	OK(pthread_atfork(take, release, release));
	for (int i = 0; i < 2; i++)
		t[i] = start(churn);
	run_two(fork_often, fork_often);
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 2; i++)
		finish(t[i]);
	return 0;
}
