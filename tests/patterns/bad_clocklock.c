/* EXPECT: lock-order:advice */
/* As bad_timedlock, by pthread_mutex_clocklock. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t b = PTHREAD_MUTEX_INITIALIZER;
static struct gate first_done;

static void *ab(void *arg)
{
	pthread_mutex_lock(&a);
	pthread_mutex_lock(&b);
	pthread_mutex_unlock(&b);
	pthread_mutex_unlock(&a);
	gate_open(&first_done);
	return arg;
}

static void *ba(void *arg)
{
	struct timespec t = in_ms(CLOCK_MONOTONIC, 5000);

	gate_wait(&first_done);
	pthread_mutex_lock(&b);
	OK(pthread_mutex_clocklock(&a, CLOCK_MONOTONIC, &t));
	pthread_mutex_unlock(&a);
	pthread_mutex_unlock(&b);
	return arg;
}

int main(void)
{
	run_two(ab, ba);
	return 0;
}
