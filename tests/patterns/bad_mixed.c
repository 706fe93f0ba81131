/* EXPECT: lock-order:possible */
/* A mutex and a read-write lock. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t b = PTHREAD_RWLOCK_INITIALIZER;
static struct gate first_done;

static void *ab(void *arg)
{
	pthread_mutex_lock(&a);    // EXPECT lock-order
	pthread_rwlock_wrlock(&b); // EXPECT lock-order
	pthread_rwlock_unlock(&b);
	pthread_mutex_unlock(&a);
	gate_open(&first_done);
	return arg;
}

static void *ba(void *arg)
{
	gate_wait(&first_done);
	pthread_rwlock_rdlock(&b); // EXPECT lock-order
	pthread_mutex_lock(&a);    // EXPECT lock-order
	pthread_mutex_unlock(&a);
	pthread_rwlock_unlock(&b);
	return arg;
}

int main(void)
{
	run_two(ab, ba);
	return 0;
}
