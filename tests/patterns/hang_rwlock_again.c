/* EXPECT: deadlock:confirmed [lock-order]; hangs */
/* A reader reads again while a writer waits, and the lock prefers writers: each waits for the other. */
#include "basics.h"
#include "invisible.h"

static pthread_rwlock_t l;
static struct gate read_held;

static void *writer(void *arg)
{
	gate_wait(&read_held);
	pthread_rwlock_wrlock(&l); // EXPECT deadlock
	pthread_rwlock_unlock(&l);
	return arg;
}

int main(void)
{
	pthread_rwlockattr_t attr;
	pthread_t t;

	pthread_rwlockattr_init(&attr);
	OK(pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP));
	OK(pthread_rwlock_init(&l, &attr));
	t = start(writer);
	pthread_rwlock_rdlock(&l); // EXPECT deadlock
	gate_open(&read_held);
	while (pthread_rwlock_tryrdlock(&l) == 0) { /* until the writer is seen to wait */
		pthread_rwlock_unlock(&l);
		invisible_sleep_ms(1);
	}
	pthread_rwlock_rdlock(&l); // EXPECT deadlock
	pthread_rwlock_unlock(&l);
	pthread_rwlock_unlock(&l);
	finish(t);
	return 0;
}
