/* EXPECT: unlock-not-held:confirmed */
/* The error-checking mutex says EPERM, and nobody looks. */
#include "basics.h"

static pthread_mutex_t m = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;

int main(void)
{
	pthread_mutex_lock(&m);
	pthread_mutex_unlock(&m);
	MUST(pthread_mutex_unlock(&m) == EPERM); // EXPECT unlock-not-held
	return 0;
}
