/* EXPECT: rwlock-not-held:confirmed */
/* A read-write lock unlocked that nobody holds; it is broken afterwards. */
#include "basics.h"

static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;

int main(void)
{
	pthread_rwlock_rdlock(&rw);
	pthread_rwlock_unlock(&rw);
	pthread_rwlock_unlock(&rw); // EXPECT rwlock-not-held
	return 0;
}
