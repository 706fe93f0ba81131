/* EXPECT: unlock-foreign:confirmed */
/* One thread unlocks what another one holds; a normal mutex lets it. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static struct gate first_there, second_done;

static void *first(void *arg)
{
	pthread_mutex_lock(&m);
	gate_open(&first_there);
	gate_wait(&second_done);
	return arg;
}

static void *second(void *arg)
{
	gate_wait(&first_there);
	pthread_mutex_unlock(&m); // EXPECT unlock-foreign
	gate_open(&second_done);
	return arg;
}

int main(void)
{
	run_two(first, second);
	return 0;
}
