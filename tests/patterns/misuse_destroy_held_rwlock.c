/* EXPECT: destroy-held:confirmed */
/* A read-write lock destroyed while it is held: no error at all. */
#include "basics.h"

static pthread_rwlock_t rw;

int main(void)
{
	OK(pthread_rwlock_init(&rw, NULL));
	pthread_rwlock_rdlock(&rw);
	pthread_rwlock_destroy(&rw); // EXPECT destroy-held
	return 0;
}
