/* EXPECT: lock-order:possible */
/* A hundred locks are held, the first sixty released in the order they were taken in; one of those left is still held when the
 * inversion happens. */
#include "basics.h"
#include "invisible.h"

enum { HELD = 100, RELEASED = 60 };

static pthread_mutex_t lock[HELD];
static pthread_mutex_t last = PTHREAD_MUTEX_INITIALIZER;
static struct gate first_done;

static void *most_then_last(void *arg)
{
	for (int i = 0; i < HELD; i++)
		pthread_mutex_lock(&lock[i]);
	for (int i = 0; i < RELEASED; i++)
		pthread_mutex_unlock(&lock[i]);
	pthread_mutex_lock(&last); // EXPECT lock-order
	pthread_mutex_unlock(&last);
	for (int i = RELEASED; i < HELD; i++)
		pthread_mutex_unlock(&lock[i]);
	gate_open(&first_done);
	return arg;
}

static void *last_then_others(void *arg)
{
	gate_wait(&first_done);
	pthread_mutex_lock(&last);               // EXPECT lock-order
	pthread_mutex_lock(&lock[RELEASED - 1]); /* that one was not held */
	pthread_mutex_unlock(&lock[RELEASED - 1]);
	pthread_mutex_lock(&lock[RELEASED + 5]); // EXPECT lock-order
	pthread_mutex_unlock(&lock[RELEASED + 5]);
	pthread_mutex_unlock(&last);
	return arg;
}

int main(void)
{
	for (int i = 0; i < HELD; i++)
		OK(pthread_mutex_init(&lock[i], NULL));
	run_two(most_then_last, last_then_others);
	return 0;
}
