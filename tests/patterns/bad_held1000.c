/* EXPECT: lock-order:possible */
/* 1000 locks are held when the inversion happens: no table of held locks may be full before. */
#include "basics.h"
#include "invisible.h"

#define HELD 1000

static pthread_mutex_t lock[HELD];
static pthread_mutex_t last = PTHREAD_MUTEX_INITIALIZER;
static struct gate first_done;

static void *all_then_last(void *arg)
{
	for (int i = 0; i < HELD; i++)
		pthread_mutex_lock(&lock[i]);
	pthread_mutex_lock(&last); // EXPECT lock-order
	pthread_mutex_unlock(&last);
	for (int i = HELD; i--;)
		pthread_mutex_unlock(&lock[i]);
	gate_open(&first_done);
	return arg;
}

static void *last_then_one(void *arg)
{
	gate_wait(&first_done);
	pthread_mutex_lock(&last);           // EXPECT lock-order
	pthread_mutex_lock(&lock[HELD - 1]); // EXPECT lock-order
	pthread_mutex_unlock(&lock[HELD - 1]);
	pthread_mutex_unlock(&last);
	return arg;
}

int main(void)
{
	for (int i = 0; i < HELD; i++)
		OK(pthread_mutex_init(&lock[i], NULL));
	run_two(all_then_last, last_then_one);
	return 0;
}
