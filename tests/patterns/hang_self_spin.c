/* EXPECT: self-deadlock:confirmed; hangs */
/* A spin lock locked again by its holder. */
#include "basics.h"

static pthread_spinlock_t s;

static __attribute__((noinline)) void inner(void)
{
	pthread_spin_lock(&s); // EXPECT self-deadlock
	puts("never reached");
}

int main(void)
{
	OK(pthread_spin_init(&s, PTHREAD_PROCESS_PRIVATE));
	pthread_spin_lock(&s); // EXPECT self-deadlock
	inner();
	return 0;
}
