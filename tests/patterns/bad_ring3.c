/* EXPECT: lock-order:possible */
/* Three threads, three locks, each takes its own and the next one's: no two of them are inverted, all three are. */
#include "basics.h"
#include "invisible.h"

#define RING 3

static pthread_mutex_t lock[RING];
static struct gate turn[RING + 1];

static void *next_two(void *arg)
{
	long i = (long)arg;

	gate_wait(&turn[i]);
	pthread_mutex_lock(&lock[i]);              // EXPECT lock-order
	pthread_mutex_lock(&lock[(i + 1) % RING]); // EXPECT lock-order
	pthread_mutex_unlock(&lock[(i + 1) % RING]);
	pthread_mutex_unlock(&lock[i]);
	gate_open(&turn[i + 1]);
	return NULL;
}

int main(void)
{
	pthread_t t[RING];

	for (int i = 0; i < RING; i++)
		OK(pthread_mutex_init(&lock[i], NULL));
	for (long i = 0; i < RING; i++)
		t[i] = start_with(next_two, (void *)i);
	gate_open(&turn[0]);
	for (int i = 0; i < RING; i++)
		finish(t[i]);
	return 0;
}
