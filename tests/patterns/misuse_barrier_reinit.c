/* EXPECT: barrier-misuse:confirmed|reinit-live:confirmed */
/* A barrier initialised again without being destroyed. */
#include "basics.h"

static pthread_barrier_t b;

int main(void)
{
	OK(pthread_barrier_init(&b, NULL, 1));
	pthread_barrier_wait(&b);
	OK(pthread_barrier_init(&b, NULL, 1)); // EXPECT barrier-misuse
	return 0;
}
