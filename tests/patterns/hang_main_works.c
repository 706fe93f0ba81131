/* EXPECT: deadlock:confirmed [lock-order]; hangs */
/* Two of the threads have deadlocked while main goes on working: the program as a whole looks alive. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t b = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t busy = PTHREAD_MUTEX_INITIALIZER;
static struct meeting both_hold;

static void *ab(void *arg)
{
	pthread_mutex_lock(&a);
	meet(&both_hold, 2);
	pthread_mutex_lock(&b);
	return arg;
}

static void *ba(void *arg)
{
	pthread_mutex_lock(&b);
	meet(&both_hold, 2);
	pthread_mutex_lock(&a);
	return arg;
}

int main(void)
{
	start(ab);
	start(ba);
	for (;;) {
		pthread_mutex_lock(&busy);
		invisible_sleep_ms(1);
		pthread_mutex_unlock(&busy);
	}
}
