/* EXPECT: signal-no-mutex:advice */
/* Signalled without the mutex that the waiter used: works, unless the waiter is between its test and its wait. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static struct gate waiting;
static int ready;

static void *waiter(void *arg)
{
	pthread_mutex_lock(&m);
	gate_open(&waiting);
	while (!ready)
		pthread_cond_wait(&c, &m);
	pthread_mutex_unlock(&m);
	return arg;
}

int main(void)
{
	pthread_t t = start(waiter);

	gate_wait(&waiting);
	pthread_mutex_lock(&m); /* the waiter waits by now */
	ready = 1;
	pthread_mutex_unlock(&m);
	pthread_cond_signal(&c); /* advice: in the journal, in the text only a count */
	finish(t);
	return 0;
}
