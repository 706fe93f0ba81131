/* EXPECT: lock-order:possible */
/* The gate is only read by both sides: readers do not keep each other out, so it guards nothing. */
#include "basics.h"
#include "invisible.h"

static pthread_rwlock_t gate = PTHREAD_RWLOCK_INITIALIZER;
static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t b = PTHREAD_MUTEX_INITIALIZER;
static struct gate first_done;

static void *ab(void *arg)
{
	pthread_rwlock_rdlock(&gate);
	pthread_mutex_lock(&a); // EXPECT lock-order
	pthread_mutex_lock(&b); // EXPECT lock-order
	pthread_mutex_unlock(&b);
	pthread_mutex_unlock(&a);
	pthread_rwlock_unlock(&gate);
	gate_open(&first_done);
	return arg;
}

static void *ba(void *arg)
{
	gate_wait(&first_done);
	pthread_rwlock_rdlock(&gate);
	pthread_mutex_lock(&b); // EXPECT lock-order
	pthread_mutex_lock(&a); // EXPECT lock-order
	pthread_mutex_unlock(&a);
	pthread_mutex_unlock(&b);
	pthread_rwlock_unlock(&gate);
	return arg;
}

int main(void)
{
	run_two(ab, ba);
	return 0;
}
