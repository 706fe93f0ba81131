/* EXPECT: nothing */
/* One side takes the locks in the wrong order, but only tries the second one and backs off: it never waits. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t b = PTHREAD_MUTEX_INITIALIZER;
static struct gate a_is_held, tried;

static void *ab(void *arg)
{
	pthread_mutex_lock(&a);
	gate_open(&a_is_held);
	gate_wait(&tried);
	pthread_mutex_lock(&b);
	pthread_mutex_unlock(&b);
	pthread_mutex_unlock(&a);
	return arg;
}

static void *ba(void *arg)
{
	pthread_mutex_lock(&b);
	gate_wait(&a_is_held);
	MUST(pthread_mutex_trylock(&a) == EBUSY);
	pthread_mutex_unlock(&b);
	gate_open(&tried);
	for (;;) { /* until it succeeds once in the wrong order */
		pthread_mutex_lock(&b);
		if (pthread_mutex_trylock(&a) == 0)
			break;
		pthread_mutex_unlock(&b);
	}
	pthread_mutex_unlock(&a);
	pthread_mutex_unlock(&b);
	return arg;
}

int main(void)
{
	run_two(ab, ba);
	return 0;
}
