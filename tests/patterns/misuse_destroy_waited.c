/* EXPECT: destroy-waited:confirmed */
/* A condition destroyed while a thread waits on it; glibc's destroy waits for it, here until its time is up. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static struct gate there;

static void *waiter(void *arg)
{
	struct timespec t;

	pthread_mutex_lock(&m);
	t = in_ms(CLOCK_REALTIME, 200);
	gate_open(&there);
	pthread_cond_timedwait(&c, &m, &t);
	pthread_mutex_unlock(&m);
	return arg;
}

int main(void)
{
	pthread_t t = start(waiter);

	gate_wait(&there);
	pthread_mutex_lock(&m); /* it waits by now */
	pthread_mutex_unlock(&m);
	pthread_cond_destroy(&c); // EXPECT destroy-waited
	finish(t);
	return 0;
}
