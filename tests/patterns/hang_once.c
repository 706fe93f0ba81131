/* EXPECT: deadlock:confirmed [lock-order]; hangs */
/* The initialisation waits for a lock whose holder waits for the initialisation. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct meeting both_in;

static void initialise(void)
{
	meet(&both_in, 2);
	pthread_mutex_lock(&a);
	pthread_mutex_unlock(&a);
}

static void *once_then_a(void *arg)
{
	pthread_once(&once, initialise);
	return arg;
}

static void *a_then_once(void *arg)
{
	pthread_mutex_lock(&a);
	meet(&both_in, 2);
	pthread_once(&once, initialise);
	pthread_mutex_unlock(&a);
	return arg;
}

int main(void)
{
	run_two(once_then_a, a_then_once);
	return 0;
}
