/* EXPECT: deadlock:confirmed [lock-order]; hangs */
/* Each of two threads holds one mutex and waits for the other's. main waits in join, as mains do. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t b = PTHREAD_MUTEX_INITIALIZER;
static struct meeting both_hold;

static void *ab(void *arg)
{
	pthread_mutex_lock(&a); // EXPECT deadlock
	meet(&both_hold, 2);
	pthread_mutex_lock(&b); // EXPECT deadlock
	pthread_mutex_unlock(&b);
	pthread_mutex_unlock(&a);
	return arg;
}

static void *ba(void *arg)
{
	pthread_mutex_lock(&b); // EXPECT deadlock
	meet(&both_hold, 2);
	pthread_mutex_lock(&a); // EXPECT deadlock
	pthread_mutex_unlock(&a);
	pthread_mutex_unlock(&b);
	return arg;
}

int main(void)
{
	run_two(ab, ba);
	return 0;
}
