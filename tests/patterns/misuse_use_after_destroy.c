/* EXPECT: use-after-destroy:confirmed */
/* A mutex locked after it was destroyed; glibc says EINVAL. */
#include "basics.h"

static pthread_mutex_t m;

int main(void)
{
	OK(pthread_mutex_init(&m, NULL));
	OK(pthread_mutex_destroy(&m));
	MUST(pthread_mutex_lock(&m) == EINVAL); // EXPECT use-after-destroy
	return 0;
}
