/* EXPECT: nothing */
/* Both orders, but only ever by one thread, which cannot wait for itself. */
#include "basics.h"

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t b = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t other = PTHREAD_MUTEX_INITIALIZER;

static void *both_orders(void *arg)
{
	for (int i = 0; i < 3; i++) {
		pthread_mutex_lock(&a);
		pthread_mutex_lock(&b);
		pthread_mutex_unlock(&b);
		pthread_mutex_unlock(&a);

		pthread_mutex_lock(&b);
		pthread_mutex_lock(&a);
		pthread_mutex_unlock(&a);
		pthread_mutex_unlock(&b);
	}
	return arg;
}

static void *bystander(void *arg)
{
	pthread_mutex_lock(&other);
	pthread_mutex_unlock(&other);
	return arg;
}

int main(void)
{
	run_two(both_orders, bystander);
	return 0;
}
