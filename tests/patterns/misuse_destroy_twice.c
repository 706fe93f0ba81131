/* EXPECT: use-after-destroy:confirmed */
/* A mutex destroyed twice. */
#include "basics.h"

static pthread_mutex_t m;

int main(void)
{
	OK(pthread_mutex_init(&m, NULL));
	OK(pthread_mutex_destroy(&m));
	pthread_mutex_destroy(&m); // EXPECT use-after-destroy
	return 0;
}
