/* EXPECT: self-deadlock:confirmed; hangs */
/* A normal mutex locked again by its holder, one call deeper. There is no other thread. */
#include "basics.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

static __attribute__((noinline)) void inner(void)
{
	pthread_mutex_lock(&m); // EXPECT self-deadlock
	puts("never reached");
}

int main(void)
{
	pthread_mutex_lock(&m); // EXPECT self-deadlock
	inner();
	return 0;
}
