/* EXPECT: nothing */
/* Waiting on a condition with an outer mutex held: the waker needs only the inner one, and the order is the same
 * everywhere. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t outer = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t inner = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t leaf = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int ready, rounds;

static void *waiter(void *arg)
{
	for (int i = 0; i < 20; i++) {
		pthread_mutex_lock(&outer);
		pthread_mutex_lock(&inner);
		while (!ready)
			pthread_cond_wait(&cond, &inner);
		ready = 0;
		pthread_mutex_lock(&leaf);
		rounds++;
		pthread_mutex_unlock(&leaf);
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&inner);
		pthread_mutex_unlock(&outer);
	}
	return arg;
}

static void *waker(void *arg)
{
	for (int i = 0; i < 40; i++) {
		pthread_mutex_lock(&inner);
		while (ready)
			pthread_cond_wait(&cond, &inner);
		ready = 1;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&inner);
	}
	return arg;
}

int main(void)
{
	pthread_t w = start(waker);

	run_two(waiter, waiter);
	finish(w);
	MUST(rounds == 40);
	return 0;
}
