/* EXPECT: unlock-foreign:confirmed */
/* A spin lock unlocked by another thread. */
#include "basics.h"
#include "invisible.h"

static pthread_spinlock_t s;
static struct gate first_there, second_done;

static void *first(void *arg)
{
	OK(pthread_spin_init(&s, PTHREAD_PROCESS_PRIVATE));
	pthread_spin_lock(&s);
	gate_open(&first_there);
	gate_wait(&second_done);
	return arg;
}

static void *second(void *arg)
{
	gate_wait(&first_there);
	pthread_spin_unlock(&s); // EXPECT unlock-foreign
	gate_open(&second_done);
	return arg;
}

int main(void)
{
	run_two(first, second);
	return 0;
}
