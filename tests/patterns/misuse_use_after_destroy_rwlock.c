/* EXPECT: use-after-destroy:confirmed+ */
/* A read-write lock used after it was destroyed; glibc does not notice. */
#include "basics.h"

static pthread_rwlock_t rw;

int main(void)
{
	OK(pthread_rwlock_init(&rw, NULL));
	OK(pthread_rwlock_destroy(&rw));
	pthread_rwlock_rdlock(&rw); // EXPECT use-after-destroy
	pthread_rwlock_unlock(&rw);
	return 0;
}
