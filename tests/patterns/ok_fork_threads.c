/* EXPECT: nothing */
/* fork while other threads hold locks: the child uses only locks of its own and the ones its forking thread held. */
#include "basics.h"
#include "invisible.h"
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t busy = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t mine = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t unused = PTHREAD_MUTEX_INITIALIZER;
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
	pthread_mutex_lock(&mine);
	child = fork();
	MUST(child >= 0);
	if (child == 0) {
		pthread_mutex_lock(&unused);
		pthread_mutex_unlock(&unused);
		pthread_mutex_unlock(&mine);
		_exit(0);
	}
	pthread_mutex_unlock(&mine);
	gate_open(&forked);
	MUST(waitpid(child, &status, 0) == child && status == 0);
	finish(t);
	return 0;
}
