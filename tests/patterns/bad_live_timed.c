/* EXPECT: lock-order:advice [deadlock:advice] */
/* The ring closes for real, but one of the two waits is timed: it opens again by itself. Nothing may end the program.
 */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t b = PTHREAD_MUTEX_INITIALIZER;
static struct meeting both_hold;

static void *ab(void *arg)
{
	pthread_mutex_lock(&a);
	meet(&both_hold, 2);
	pthread_mutex_lock(&b);
	pthread_mutex_unlock(&b);
	pthread_mutex_unlock(&a);
	return arg;
}

static void *ba(void *arg)
{
	struct timespec t;

	pthread_mutex_lock(&b);
	meet(&both_hold, 2);
	t = in_ms(CLOCK_REALTIME, 200);
	MUST(pthread_mutex_timedlock(&a, &t) == ETIMEDOUT);
	pthread_mutex_unlock(&b);
	return arg;
}

int main(void)
{
	run_two(ab, ba);
	return 0;
}
