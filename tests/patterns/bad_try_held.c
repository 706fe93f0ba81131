/* EXPECT: lock-order:possible */
/* The first lock is taken by trylock on one side: what matters is that it is held, only the second must be able to
 * wait. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t b = PTHREAD_MUTEX_INITIALIZER;
static struct gate first_done;

static void *ab(void *arg)
{
	pthread_mutex_lock(&a); // EXPECT lock-order
	pthread_mutex_lock(&b); // EXPECT lock-order
	pthread_mutex_unlock(&b);
	pthread_mutex_unlock(&a);
	gate_open(&first_done);
	return arg;
}

static void *ba(void *arg)
{
	gate_wait(&first_done);
	MUST(pthread_mutex_trylock(&b) == 0); // EXPECT lock-order
	pthread_mutex_lock(&a);               // EXPECT lock-order
	pthread_mutex_unlock(&a);
	pthread_mutex_unlock(&b);
	return arg;
}

int main(void)
{
	run_two(ab, ba);
	return 0;
}
