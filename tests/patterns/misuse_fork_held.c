/* EXPECT: fork-held:confirmed */
/* The child wants, for a while, a lock that another thread held at the fork; in the child it is never released. */
#include "basics.h"
#include "invisible.h"
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t busy = PTHREAD_MUTEX_INITIALIZER;
static struct gate held, forked;

static void *holder(void *arg)
{
	pthread_mutex_lock(&busy);
	gate_open(&held);
	gate_wait(&forked);
	pthread_mutex_unlock(&busy);
	return arg;
}

int main(void)
{
	pthread_t t = start(holder);
	pid_t child;
	int status;

	gate_wait(&held);
	child = fork();
	MUST(child >= 0);
	if (child == 0) {
		struct timespec soon = in_ms(CLOCK_REALTIME, 20);

		MUST(pthread_mutex_timedlock(&busy, &soon) == ETIMEDOUT); // EXPECT fork-held
		_exit(0);
	}
	gate_open(&forked);
	finish(t);
	MUST(waitpid(child, &status, 0) == child && status == 0);
	return 0;
}
