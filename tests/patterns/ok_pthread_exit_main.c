/* EXPECT: nothing */
/* main ends by pthread_exit; the rest of the program goes on and ends later. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

static void *rest(void *arg)
{
	invisible_sleep_ms(30);
	pthread_mutex_lock(&m);
	pthread_mutex_unlock(&m);
	return arg;
}

int main(void)
{
	pthread_detach(start(rest));
	pthread_detach(start(rest));
	pthread_mutex_lock(&m);
	pthread_mutex_unlock(&m);
	pthread_exit(NULL);
}
