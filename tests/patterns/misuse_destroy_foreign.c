/* EXPECT: destroy-held:confirmed */
/* A mutex destroyed while another thread holds it. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static struct gate first_there, second_done;

static void *first(void *arg)
{
	pthread_mutex_lock(&m);
	gate_open(&first_there);
	gate_wait(&second_done);
	pthread_mutex_unlock(&m);
	return arg;
}

static void *second(void *arg)
{
	gate_wait(&first_there);
	MUST(pthread_mutex_destroy(&m) == EBUSY); // EXPECT destroy-held
	gate_open(&second_done);
	return arg;
}

int main(void)
{
	run_two(first, second);
	return 0;
}
