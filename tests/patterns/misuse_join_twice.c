/* EXPECT: join-misuse:confirmed */
/* A thread joined twice. */
#include "basics.h"

static void *nothing(void *arg)
{
	return arg;
}

int main(void)
{
	pthread_t t = start(nothing);

	finish(t);
	pthread_join(t, NULL); // EXPECT join-misuse
	return 0;
}
