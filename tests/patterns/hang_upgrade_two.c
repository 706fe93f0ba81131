/* EXPECT: lock-upgrade:confirmed|deadlock:confirmed+ [self-deadlock] [lock-upgrade] [deadlock]; hangs */
/* Two readers of one lock both want to write it: each waits for the other to stop reading, and for itself. */
#include "basics.h"
#include "invisible.h"

static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static struct meeting both_read;

static void *upgrade(void *arg)
{
	pthread_rwlock_rdlock(&rw);
	meet(&both_read, 2);
	pthread_rwlock_wrlock(&rw);
	pthread_rwlock_unlock(&rw);
	pthread_rwlock_unlock(&rw);
	return arg;
}

int main(void)
{
	run_two(upgrade, upgrade);
	return 0;
}
