/* EXPECT: nothing */
/* Shared between processes, and handed over from one to the other: the parent takes it, the child posts it. */
#include "basics.h"
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static sem_t *s;

static void *sem_then_m(void *arg)
{
	sem_wait(s);
	pthread_mutex_lock(&m);
	pthread_mutex_unlock(&m);
	sem_post(s);
	return arg;
}

int main(void)
{
	int status;

	s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	MUST(s != MAP_FAILED);
	MUST(sem_init(s, 1, 1) == 0);
	finish(start(sem_then_m));
	sem_wait(s);
	pid_t child = fork();
	if (child == 0) {
		sem_post(s);
		run_two(sem_then_m, sem_then_m);
		_exit(0);
	}
	MUST(waitpid(child, &status, 0) == child && status == 0);
	pthread_mutex_lock(&m);
	sem_wait(s);
	sem_post(s);
	pthread_mutex_unlock(&m);
	return 0;
}
