/* EXPECT: stall:confirmed; hangs */
/* main ends by pthread_exit; the last thread waits for a condition that nobody is left to signal. */
#include "basics.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;

static void *work(void *arg)
{
	pthread_mutex_lock(&m);
	pthread_cond_wait(&c, &m); // EXPECT stall
	pthread_mutex_unlock(&m);
	return arg;
}

int main(void)
{
	OK(pthread_detach(start(work)));
	pthread_exit(NULL);
}
