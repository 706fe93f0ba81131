/* EXPECT: nothing */
/* A bounded queue: two producers, two consumers, two condition variables, one mutex. */
#include "basics.h"

#define ITEMS 200
#define ROOM  4

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER;
static int filled;

static void *produce(void *arg)
{
	for (int i = 0; i < ITEMS; i++) {
		pthread_mutex_lock(&m);
		while (filled == ROOM)
			pthread_cond_wait(&not_full, &m);
		filled++;
		pthread_cond_signal(&not_empty);
		pthread_mutex_unlock(&m);
	}
	return arg;
}

static void *consume(void *arg)
{
	for (int i = 0; i < ITEMS; i++) {
		pthread_mutex_lock(&m);
		while (!filled)
			pthread_cond_wait(&not_empty, &m);
		filled--;
		pthread_cond_signal(&not_full);
		pthread_mutex_unlock(&m);
	}
	return arg;
}

int main(void)
{
	pthread_t p = start(produce), c = start(consume);

	run_two(produce, consume);
	finish(p);
	finish(c);
	pthread_cond_destroy(&not_full);
	pthread_cond_destroy(&not_empty);
	return 0;
}
