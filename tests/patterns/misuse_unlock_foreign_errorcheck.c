/* EXPECT: unlock-foreign:confirmed */
/* As misuse_unlock_foreign; the error-checking mutex says EPERM, and nobody looks. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t m = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
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
	MUST(pthread_mutex_unlock(&m) == EPERM); // EXPECT unlock-foreign
	gate_open(&second_done);
	return arg;
}

int main(void)
{
	run_two(first, second);
	return 0;
}
