/* EXPECT: unlock-not-held:confirmed */
/* A rain of handlers on a signal stack that lies in main's frame: afterwards everything is still seen. */
#include "basics.h"
#include "invisible.h"
#include <semaphore.h>
#include <signal.h>
#include <sys/time.h>

static sem_t s;

static void post(int sig)
{
	(void)sig;
	sem_post(&s);
}

int main(void)
{
	char alternate[65536];
	stack_t ss = { .ss_sp = alternate, .ss_size = sizeof(alternate) };
	struct sigaction sa = { .sa_handler = post, .sa_flags = SA_ONSTACK | SA_RESTART };
	struct itimerval often = { { 0, 50 }, { 0, 50 } }, off = { 0 };
	pthread_mutex_t here = PTHREAD_MUTEX_INITIALIZER;

	sem_init(&s, 0, 0);
	MUST(sigaltstack(&ss, NULL) == 0 && sigaction(SIGALRM, &sa, NULL) == 0);
	MUST(setitimer(ITIMER_REAL, &often, NULL) == 0);
	for (int i = 0; i < 30000; i++) {
		pthread_mutex_t *m = malloc(sizeof(*m));

		pthread_mutex_init(m, NULL);
		pthread_mutex_lock(m);
		pthread_mutex_unlock(m);
		pthread_mutex_destroy(m);
		free(m);
		while (sem_trywait(&s) == 0)
			;
	}
	MUST(setitimer(ITIMER_REAL, &off, NULL) == 0);
	pthread_mutex_lock(&here);
	pthread_mutex_unlock(&here);
	pthread_mutex_unlock(&here); // EXPECT unlock-not-held
	return 0;
}
