/* EXPECT: cond-two-mutexes:confirmed */
/* Two threads wait on one condition at the same time, each with a mutex of its own. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t m1 = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t m2 = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static struct gate first_waits;

static void *first(void *arg)
{
	struct timespec t;

	pthread_mutex_lock(&m1);
	gate_open(&first_waits);
	t = in_ms(CLOCK_REALTIME, 200);
	pthread_cond_timedwait(&c, &m1, &t);
	pthread_mutex_unlock(&m1);
	return arg;
}

static void *second(void *arg)
{
	struct timespec t;

	gate_wait(&first_waits);
	pthread_mutex_lock(&m1); /* it waits by now */
	pthread_mutex_unlock(&m1);
	pthread_mutex_lock(&m2);
	t = in_ms(CLOCK_REALTIME, 20);
	pthread_cond_timedwait(&c, &m2, &t); // EXPECT cond-two-mutexes
	pthread_mutex_unlock(&m2);
	return arg;
}

int main(void)
{
	run_two(first, second);
	return 0;
}
