/* EXPECT: self-deadlock:confirmed; hangs */
/* The self-deadlock of one thread; others queue up behind it. One cause, one report. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static struct gate held;

static void *twice(void *arg)
{
	pthread_mutex_lock(&m);
	gate_open(&held);
	invisible_sleep_ms(30); /* the other is waiting by then */
	pthread_mutex_lock(&m);
	return arg;
}

static void *behind(void *arg)
{
	gate_wait(&held);
	pthread_mutex_lock(&m);
	pthread_mutex_unlock(&m);
	return arg;
}

int main(void)
{
	run_two(twice, behind);
	return 0;
}
