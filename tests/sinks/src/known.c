/* known.c - Two orders of locks and a race, and with -DNEW=1 one of each more. */
#include <pthread.h>

#include "invisible.h"

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER, b = PTHREAD_MUTEX_INITIALIZER, c = PTHREAD_MUTEX_INITIALIZER;
static struct gate done; /* nothing is to hang */
static int counter, other;
static volatile struct { int slot[4]; } table;

static void pair(pthread_mutex_t *x, pthread_mutex_t *y)
{
	pthread_mutex_lock(x);
	pthread_mutex_lock(y);
	pthread_mutex_unlock(y);
	pthread_mutex_unlock(x);
}

static void *forwards(void *arg)
{
	counter++;
	table.slot[1] = 1;
	pair(&a, &b);
	if (NEW)
		pair(&b, &c);
	if (NEW)
		other++;
	gate_open(&done);
	return arg;
}

static void *backwards(void *arg)
{
	invisible_sleep_ms(30); /* of two accesses at the very same moment, one may go unseen */
	counter++;
	table.slot[1] = 2;
	if (NEW)
		other++;
	gate_wait(&done);
	pthread_mutex_lock(&b);
	pthread_mutex_lock(&a);
	pthread_mutex_unlock(&a);
	pthread_mutex_unlock(&b);
	if (NEW)
		pair(&c, &b);
	return arg;
}

int main(void)
{
	pthread_t t[2];
	pthread_create(&t[0], NULL, forwards, NULL);
	pthread_create(&t[1], NULL, backwards, NULL);
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	return 0;
}
