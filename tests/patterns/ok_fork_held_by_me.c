/* EXPECT: nothing */
/* A lock taken before the fork is the child's to release; a thread of the child waits for it meanwhile. */
#include "basics.h"
#include "invisible.h"
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

static void *wants(void *arg)
{
	pthread_mutex_lock(&m);
	pthread_mutex_unlock(&m);
	return arg;
}

int main(void)
{
	pid_t child;
	int status;

	pthread_mutex_lock(&m);
	child = fork();
	MUST(child >= 0);
	if (child == 0) {
		pthread_t t = start(wants);

		invisible_sleep_ms(400); /* it waits, and looks around */
		pthread_mutex_unlock(&m);
		finish(t);
		return 0;
	}
	pthread_mutex_unlock(&m);
	MUST(waitpid(child, &status, 0) == child && status == 0);
	return 0;
}
