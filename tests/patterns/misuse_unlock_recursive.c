/* EXPECT: unlock-not-held:confirmed */
/* A recursive mutex unlocked once more often than it was locked. */
#include "basics.h"

static pthread_mutex_t m = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

int main(void)
{
	pthread_mutex_lock(&m);
	pthread_mutex_lock(&m);
	pthread_mutex_unlock(&m);
	pthread_mutex_unlock(&m);
	MUST(pthread_mutex_unlock(&m) == EPERM); // EXPECT unlock-not-held
	return 0;
}
