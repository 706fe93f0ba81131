/* EXPECT: destroy-held:confirmed */
/* A mutex destroyed while it is held: EBUSY, and nobody looks. */
#include "basics.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

int main(void)
{
	pthread_mutex_lock(&m);
	MUST(pthread_mutex_destroy(&m) == EBUSY); // EXPECT destroy-held
	pthread_mutex_unlock(&m);
	return 0;
}
