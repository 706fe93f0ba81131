/* EXPECT: stall:confirmed; hangs */
/* A signal where a broadcast was needed: it wakes the one of two waiters whose turn it is not, who goes to sleep again. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static int turn, waiting;

static void *work(void *arg)
{
	int me = arg ? 2 : 1;

	pthread_mutex_lock(&m);
	while (turn != me) {
		waiting++;
		pthread_cond_wait(&c, &m); // EXPECT stall
	}
	turn = 0;
	pthread_cond_signal(&c);
	pthread_mutex_unlock(&m);
	return NULL;
}

/* The thread is in its wait: it counts under the mutex that the wait releases. */
static void await(int n)
{
	for (int there = 0; there < n;) {
		pthread_mutex_lock(&m);
		there = waiting;
		pthread_mutex_unlock(&m);
		invisible_sleep_ms(1);
	}
}

int main(void)
{
	pthread_t first = start(work), second;

	await(1);
	second = start_with(work, &m);
	await(2);
	pthread_mutex_lock(&m);
	turn = 2;
	pthread_cond_signal(&c); /* glibc wakes the first that came */
	while (turn != 0)
		pthread_cond_wait(&c, &m);
	pthread_mutex_unlock(&m);
	finish(first);
	finish(second);
	return 0;
}
