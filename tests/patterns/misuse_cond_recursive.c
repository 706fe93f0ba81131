/* EXPECT: cond-no-mutex:confirmed */
/* The mutex of a wait is held twice: the wait releases it once, so nobody else can get in. */
#include "basics.h"

static pthread_mutex_t m = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;

int main(void)
{
	struct timespec t = in_ms(CLOCK_REALTIME, 10);

	pthread_mutex_lock(&m);
	pthread_mutex_lock(&m);
	pthread_cond_timedwait(&c, &m, &t); // EXPECT cond-no-mutex
	pthread_mutex_unlock(&m);
	pthread_mutex_unlock(&m);
	return 0;
}
