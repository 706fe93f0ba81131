/* EXPECT: cond-no-mutex:confirmed [unlock-not-held] */
/* A condition waited for without its mutex. */
#include "basics.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;

int main(void)
{
	struct timespec t = in_ms(CLOCK_REALTIME, 10);

	pthread_cond_timedwait(&c, &m, &t); // EXPECT cond-no-mutex
	pthread_mutex_unlock(&m);
	return 0;
}
