/* EXPECT: nothing */
/* A barrier in many rounds, destroyed right after the last one, when the others may not have returned yet: allowed. */
#include "basics.h"

#define THREADS 4

static pthread_barrier_t b;
static pthread_mutex_t outer = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t inner = PTHREAD_MUTEX_INITIALIZER;
static int serial;

static void *work(void *arg)
{
	for (int i = 0; i < 50; i++) {
		pthread_mutex_lock(&outer);
		pthread_mutex_lock(&inner);
		pthread_mutex_unlock(&inner);
		pthread_mutex_unlock(&outer);
		if (pthread_barrier_wait(&b) == PTHREAD_BARRIER_SERIAL_THREAD)
			__atomic_add_fetch(&serial, 1, __ATOMIC_RELAXED);
	}
	return arg;
}

int main(void)
{
	pthread_t t[THREADS];

	OK(pthread_barrier_init(&b, NULL, THREADS + 1));
	for (int i = 0; i < THREADS; i++)
		t[i] = start(work);
	work(NULL);
	OK(pthread_barrier_destroy(&b)); /* allowed as soon as one's own wait has returned */
	for (int i = 0; i < THREADS; i++)
		finish(t[i]);
	MUST(serial == 50);
	return 0;
}
