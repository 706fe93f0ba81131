/* EXPECT: deadlock:confirmed [lock-order]; hangs */
/* Two writers, each waiting for the other's lock. */
#include "basics.h"
#include "invisible.h"

static pthread_rwlock_t a = PTHREAD_RWLOCK_INITIALIZER;
static pthread_rwlock_t b = PTHREAD_RWLOCK_INITIALIZER;
static struct meeting both_hold;

static void *ab(void *arg)
{
	pthread_rwlock_wrlock(&a); // EXPECT deadlock
	meet(&both_hold, 2);
	pthread_rwlock_wrlock(&b); // EXPECT deadlock
	pthread_rwlock_unlock(&b);
	pthread_rwlock_unlock(&a);
	return arg;
}

static void *ba(void *arg)
{
	pthread_rwlock_wrlock(&b); // EXPECT deadlock
	meet(&both_hold, 2);
	pthread_rwlock_wrlock(&a); // EXPECT deadlock
	pthread_rwlock_unlock(&a);
	pthread_rwlock_unlock(&b);
	return arg;
}

int main(void)
{
	run_two(ab, ba);
	return 0;
}
