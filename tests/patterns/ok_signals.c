/* EXPECT: nothing */
/* Signals rain on threads that lock and unlock; the handler does what a handler may: it posts a semaphore. */
#include "basics.h"
#include "invisible.h"
#include <semaphore.h>
#include <signal.h>

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t b = PTHREAD_MUTEX_INITIALIZER;
static sem_t posted;
static int stop;

static void handler(int sig)
{
	int saved = errno;

	(void)sig;
	sem_post(&posted);
	errno = saved;
}

static void *work(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		pthread_mutex_lock(&a);
		pthread_mutex_lock(&b);
		pthread_mutex_unlock(&b);
		pthread_mutex_unlock(&a);
		sem_trywait(&posted);
	}
	return arg;
}

int main(void)
{
	struct sigaction sa = { .sa_handler = handler };
	pthread_t t, u;

	sem_init(&posted, 0, 0);
	MUST(sigaction(SIGUSR1, &sa, NULL) == 0);
	t = start(work);
	u = start(work);
	for (int i = 0; i < 2000; i++) {
		pthread_kill(i & 1 ? t : u, SIGUSR1);
		if (i % 100 == 0)
			invisible_sleep_ms(1);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
	finish(t);
	finish(u);
	return 0;
}
