/* EXPECT: lock-order:possible */
/* Two recursive mutexes: recursion helps against oneself, not against the other. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t a = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_mutex_t b = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
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
	pthread_mutex_lock(&b); // EXPECT lock-order
	pthread_mutex_lock(&a); // EXPECT lock-order
	pthread_mutex_unlock(&a);
	pthread_mutex_unlock(&b);
	return arg;
}

int main(void)
{
	run_two(ab, ba);
	return 0;
}
