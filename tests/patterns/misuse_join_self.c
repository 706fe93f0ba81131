/* EXPECT: join-misuse:confirmed */
/* A thread joins itself: EDEADLK. */
#include "basics.h"

int main(void)
{
	MUST(pthread_join(pthread_self(), NULL) == EDEADLK); // EXPECT join-misuse
	return 0;
}
