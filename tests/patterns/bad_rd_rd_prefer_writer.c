/* EXPECT: lock-order:possible */
/*
 * Read locks in both orders, of locks that prefer writers, and a writer for each: a waiting writer keeps new readers
 * out, so reader A waits behind the writer that waits for reader B, and the other way round.
 */
#include "basics.h"
#include "invisible.h"

static pthread_rwlock_t a = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static pthread_rwlock_t b = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static struct gate written, first_done;

static void *writer(void *arg)
{
	pthread_rwlock_wrlock(&a);
	pthread_rwlock_unlock(&a);
	pthread_rwlock_wrlock(&b);
	pthread_rwlock_unlock(&b);
	gate_open(&written);
	return arg;
}

static void *ab(void *arg)
{
	gate_wait(&written);
	pthread_rwlock_rdlock(&a);
	pthread_rwlock_rdlock(&b);
	pthread_rwlock_unlock(&b);
	pthread_rwlock_unlock(&a);
	gate_open(&first_done);
	return arg;
}

static void *ba(void *arg)
{
	gate_wait(&first_done);
	pthread_rwlock_rdlock(&b);
	pthread_rwlock_rdlock(&a);
	pthread_rwlock_unlock(&a);
	pthread_rwlock_unlock(&b);
	return arg;
}

int main(void)
{
	pthread_t w = start(writer);

	run_two(ab, ba);
	finish(w);
	return 0;
}
