/* EXPECT: lock-upgrade:confirmed|self-deadlock:confirmed|deadlock:confirmed; hangs */
/* The holder of a read lock wants the write lock of the same rwlock: it waits for itself. */
#include "basics.h"

static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;

static __attribute__((noinline)) void inner(void)
{
	pthread_rwlock_wrlock(&rw); // EXPECT lock-upgrade
	puts("never reached");
}

int main(void)
{
	pthread_rwlock_rdlock(&rw); // EXPECT lock-upgrade
	inner();
	return 0;
}
