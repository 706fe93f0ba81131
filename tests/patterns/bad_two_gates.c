/* EXPECT: lock-order:possible */
/* Each side has a gate lock, but not the same one. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t gate1 = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t gate2 = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t b = PTHREAD_MUTEX_INITIALIZER;
static struct gate first_done;

static void *ab(void *arg)
{
	pthread_mutex_lock(&gate1);
	pthread_mutex_lock(&a);
	pthread_mutex_lock(&b);
	pthread_mutex_unlock(&b);
	pthread_mutex_unlock(&a);
	pthread_mutex_unlock(&gate1);
	gate_open(&first_done);
	return arg;
}

static void *ba(void *arg)
{
	gate_wait(&first_done);
	pthread_mutex_lock(&gate2);
	pthread_mutex_lock(&b);
	pthread_mutex_lock(&a);
	pthread_mutex_unlock(&a);
	pthread_mutex_unlock(&b);
	pthread_mutex_unlock(&gate2);
	return arg;
}

int main(void)
{
	run_two(ab, ba);
	return 0;
}
