/* EXPECT: reinit-live:confirmed */
/* A mutex initialised again while it is held. */
#include "basics.h"

static pthread_mutex_t m;

int main(void)
{
	OK(pthread_mutex_init(&m, NULL));
	pthread_mutex_lock(&m);
	OK(pthread_mutex_init(&m, NULL)); // EXPECT reinit-live
	return 0;
}
