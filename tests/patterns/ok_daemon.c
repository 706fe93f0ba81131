/* EXPECT: nothing [stall:advice] */
/* A daemon: everybody sleeps until the SIGTERM handler posts. Somebody outside can wake it, so it is no stall. */
#include "basics.h"
#include "invisible.h"
#include <semaphore.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static sem_t stop;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work_there = PTHREAD_COND_INITIALIZER;
static int stopping;

static void on_term(int sig)
{
	(void)sig;
	sem_post(&stop);
}

static void *worker(void *arg)
{
	pthread_mutex_lock(&m);
	while (!stopping)
		pthread_cond_wait(&work_there, &m);
	pthread_mutex_unlock(&m);
	return arg;
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_term };
	pthread_t t;
	pid_t killer;

	sem_init(&stop, 0, 0);
	MUST(sigaction(SIGTERM, &sa, NULL) == 0);
	killer = fork();
	MUST(killer >= 0);
	if (killer == 0) {
		invisible_sleep_ms(1500); /* longer than anybody who watches for sleepers waits */
		kill(getppid(), SIGTERM);
		_exit(0);
	}
	t = start(worker);
	while (sem_wait(&stop) != 0)
		MUST(errno == EINTR);
	pthread_mutex_lock(&m);
	stopping = 1;
	pthread_cond_broadcast(&work_there);
	pthread_mutex_unlock(&m);
	finish(t);
	MUST(waitpid(killer, NULL, 0) == killer);
	sem_destroy(&stop);
	return 0;
}
