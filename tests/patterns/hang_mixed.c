/* EXPECT: deadlock:confirmed [lock-order]; hangs */
/* A mutex and a read-write lock that is read by its holder and wanted by a writer. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t b = PTHREAD_RWLOCK_INITIALIZER;
static struct meeting both_hold;

static void *ab(void *arg)
{
	pthread_mutex_lock(&a); // EXPECT deadlock
	meet(&both_hold, 2);
	pthread_rwlock_wrlock(&b); // EXPECT deadlock
	pthread_rwlock_unlock(&b);
	pthread_mutex_unlock(&a);
	return arg;
}

static void *ba(void *arg)
{
	pthread_rwlock_rdlock(&b); // EXPECT deadlock
	meet(&both_hold, 2);
	pthread_mutex_lock(&a); // EXPECT deadlock
	pthread_mutex_unlock(&a);
	pthread_rwlock_unlock(&b);
	return arg;
}

int main(void)
{
	run_two(ab, ba);
	return 0;
}
