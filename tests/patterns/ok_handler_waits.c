/* EXPECT: nothing [stall:advice] */
/* A handler that waits, as some collectors stop the world, interrupts a condition wait: the outer wait goes on afterwards. */
#include "basics.h"
#include "invisible.h"
#include <semaphore.h>
#include <signal.h>

static sem_t resume;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER, alone = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static struct gate stopped;
static int ready, waits;

static void stop(int sig)
{
	(void)sig;
	gate_open(&stopped);
	while (sem_wait(&resume) != 0)
		;
}

static void *work(void *arg)
{
	pthread_mutex_lock(&m);
	waits = 1;
	while (!ready)
		pthread_cond_wait(&c, &m);
	pthread_mutex_unlock(&m);
	return arg;
}

int main(void)
{
	pthread_t t;
	struct timespec soon;

	sem_init(&resume, 0, 0);
	MUST(signal(SIGUSR1, stop) != SIG_ERR);
	t = start(work);
	for (int there = 0; !there;) {
		pthread_mutex_lock(&m);
		there = waits;
		pthread_mutex_unlock(&m);
	}
	pthread_kill(t, SIGUSR1);
	gate_wait(&stopped);
	sem_post(&resume);
	pthread_mutex_lock(&m);
	ready = 1;
	pthread_cond_signal(&c);
	pthread_mutex_unlock(&m);
	finish(t);
	/* If one of the two waits still counted, this would look like a stall. */
	soon = in_ms(CLOCK_REALTIME, 800);
	pthread_mutex_lock(&alone);
	MUST(pthread_cond_timedwait(&c, &alone, &soon) == ETIMEDOUT);
	pthread_mutex_unlock(&alone);
	return 0;
}
