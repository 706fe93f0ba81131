/* EXPECT: lock-order:possible */
/* The inversion is in a forked child that has threads of its own; what was seen before the fork must not confuse it. */
#include "basics.h"
#include "invisible.h"
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t b = PTHREAD_MUTEX_INITIALIZER;
static struct gate first_done;

static void *ab(void *arg)
{
	pthread_mutex_lock(&a); // EXPECT lock-order
	pthread_mutex_lock(&b); // EXPECT lock-order
	pthread_mutex_unlock(&b);
	pthread_mutex_unlock(&a);
	gate_open(&first_done);
	return arg;
}

static void *ba(void *arg)
{
	gate_wait(&first_done);
	pthread_mutex_lock(&b); // EXPECT lock-order
	pthread_mutex_lock(&a); // EXPECT lock-order
	pthread_mutex_unlock(&a);
	pthread_mutex_unlock(&b);
	return arg;
}

int main(void)
{
	pid_t child;
	int status;

	finish(start(ab));
	first_done.open = 0;
	child = fork();
	MUST(child >= 0);
	if (child == 0) {
		run_two(ab, ba);
		exit(0);
	}
	MUST(waitpid(child, &status, 0) == child && status == 0);
	return 0;
}
