/* EXPECT: stall:confirmed [signal-no-mutex]; hangs */
/* The signal came before the wait, and no condition was kept: the wake-up is lost, everybody sleeps. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static struct gate signalled;

static void *waiter(void *arg)
{
	gate_wait(&signalled);
	pthread_mutex_lock(&m);
	pthread_cond_wait(&c, &m); // EXPECT stall
	pthread_mutex_unlock(&m);
	return arg;
}

static void *waker(void *arg)
{
	pthread_mutex_lock(&m);
	pthread_cond_signal(&c);
	pthread_mutex_unlock(&m);
	gate_open(&signalled);
	return arg;
}

int main(void)
{
	run_two(waiter, waker);
	return 0;
}
