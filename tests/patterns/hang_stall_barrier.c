/* EXPECT: stall:confirmed; hangs */
/* A barrier for three, and only two come. */
#include "basics.h"

static pthread_barrier_t b;

static void *work(void *arg)
{
	pthread_barrier_wait(&b); // EXPECT stall
	return arg;
}

int main(void)
{
	OK(pthread_barrier_init(&b, NULL, 3));
	run_two(work, work);
	return 0;
}
