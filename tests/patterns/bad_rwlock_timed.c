/* EXPECT: lock-order:advice */
/* As bad_timedlock, with a timed read lock on one side and a timed write lock on the other. */
#include "basics.h"
#include "invisible.h"

static pthread_rwlock_t a = PTHREAD_RWLOCK_INITIALIZER;
static pthread_rwlock_t b = PTHREAD_RWLOCK_INITIALIZER;
static struct gate first_done;

static void *ab(void *arg)
{
	pthread_rwlock_wrlock(&a);
	pthread_rwlock_wrlock(&b);
	pthread_rwlock_unlock(&b);
	pthread_rwlock_unlock(&a);
	gate_open(&first_done);
	return arg;
}

static void *ba(void *arg)
{
	struct timespec t = in_ms(CLOCK_REALTIME, 5000);

	gate_wait(&first_done);
	pthread_rwlock_wrlock(&b);
	OK(pthread_rwlock_timedrdlock(&a, &t));
	pthread_rwlock_unlock(&a);
	pthread_rwlock_unlock(&b);
	return arg;
}

int main(void)
{
	run_two(ab, ba);
	return 0;
}
