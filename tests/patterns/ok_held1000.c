/* EXPECT: nothing */
/* A hundred and then a thousand locks held at once, always in the same order, released in another. */
#include "basics.h"

#define LOCKS 1000

static pthread_mutex_t lock[LOCKS];

static void take(int n)
{
	for (int i = 0; i < n; i++)
		pthread_mutex_lock(&lock[i]);
	for (int i = 0; i < n; i += 2)
		pthread_mutex_unlock(&lock[i]);
	for (int i = 1; i < n; i += 2)
		pthread_mutex_unlock(&lock[i]);
}

static void *work(void *arg)
{
	take(100);
	take(LOCKS);
	take(100);
	return arg;
}

int main(void)
{
	for (int i = 0; i < LOCKS; i++)
		OK(pthread_mutex_init(&lock[i], NULL));
	run_two(work, work);
	for (int i = 0; i < LOCKS; i++)
		OK(pthread_mutex_destroy(&lock[i]));
	return 0;
}
