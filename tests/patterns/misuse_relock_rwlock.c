/* EXPECT: relock:confirmed+ */
/* A write lock taken again by its holder, for writing and for reading: glibc says EDEADLK. */
#include "basics.h"

static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;

int main(void)
{
	pthread_rwlock_wrlock(&rw);
	MUST(pthread_rwlock_wrlock(&rw) == EDEADLK); // EXPECT relock
	MUST(pthread_rwlock_rdlock(&rw) == EDEADLK); // EXPECT relock
	pthread_rwlock_unlock(&rw);
	return 0;
}
