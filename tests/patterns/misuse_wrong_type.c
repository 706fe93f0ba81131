/* EXPECT: wrong-type:confirmed */
/* A mutex handed to a read-write lock's call, by way of a union. */
#include "basics.h"

static union {
	pthread_mutex_t m;
	pthread_rwlock_t rw;
} u;

int main(void)
{
	OK(pthread_mutex_init(&u.m, NULL));
	pthread_mutex_lock(&u.m);
	pthread_mutex_unlock(&u.m);
	memset(&u, 0, sizeof(u));     /* so that glibc does nothing strange with it */
	pthread_rwlock_rdlock(&u.rw); // EXPECT wrong-type
	pthread_rwlock_unlock(&u.rw);
	return 0;
}
