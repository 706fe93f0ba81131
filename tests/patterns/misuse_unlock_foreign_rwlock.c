/* EXPECT: unlock-foreign:confirmed|rwlock-not-held:confirmed */
/* A write lock released by another thread. */
#include "basics.h"
#include "invisible.h"

static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static struct gate first_there, second_done;

static void *first(void *arg)
{
	pthread_rwlock_wrlock(&rw);
	gate_open(&first_there);
	gate_wait(&second_done);
	return arg;
}

static void *second(void *arg)
{
	gate_wait(&first_there);
	pthread_rwlock_unlock(&rw); // EXPECT unlock-foreign
	gate_open(&second_done);
	return arg;
}

int main(void)
{
	run_two(first, second);
	return 0;
}
