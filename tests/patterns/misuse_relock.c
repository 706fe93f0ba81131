/* EXPECT: relock:confirmed */
/* An error-checking mutex locked again by its holder: EDEADLK, and nobody looks. */
#include "basics.h"

static pthread_mutex_t m = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;

int main(void)
{
	pthread_mutex_lock(&m);
	MUST(pthread_mutex_lock(&m) == EDEADLK); // EXPECT relock
	pthread_mutex_unlock(&m);
	return 0;
}
