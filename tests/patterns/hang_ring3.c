/* EXPECT: deadlock:confirmed [lock-order]; hangs */
/* Three threads in a ring, and a fourth that waits for one of them without being part of it. */
#include "basics.h"
#include "invisible.h"

#define RING 3

static pthread_mutex_t lock[RING];
static struct meeting all_hold;

static void *own_then_next(void *arg)
{
	long i = (long)arg;

	pthread_mutex_lock(&lock[i]); // EXPECT deadlock
	meet(&all_hold, RING + 1);
	pthread_mutex_lock(&lock[(i + 1) % RING]); // EXPECT deadlock
	pthread_mutex_unlock(&lock[(i + 1) % RING]);
	pthread_mutex_unlock(&lock[i]);
	return NULL;
}

static void *outsider(void *arg)
{
	meet(&all_hold, RING + 1);
	pthread_mutex_lock(&lock[0]);
	pthread_mutex_unlock(&lock[0]);
	return arg;
}

int main(void)
{
	pthread_t t[RING], o;

	for (int i = 0; i < RING; i++)
		OK(pthread_mutex_init(&lock[i], NULL));
	for (long i = 0; i < RING; i++)
		t[i] = start_with(own_then_next, (void *)i);
	o = start(outsider);
	for (int i = 0; i < RING; i++)
		finish(t[i]);
	finish(o);
	return 0;
}
