/* EXPECT: fork-held|dead-owner; hangs */
/* Another thread held the lock at the fork; in the child it is locked for ever, and the child wants it. The parent
 * waits. */
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
		pthread_mutex_lock(&busy); // EXPECT fork-held
		pthread_mutex_unlock(&busy);
		_exit(0);
	}
	gate_open(&forked);
	finish(t);
	MUST(waitpid(child, &status, 0) == child);
	return 0;
}
