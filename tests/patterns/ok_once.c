/* EXPECT: nothing */
/* pthread_once and call_once from several threads, one inside the other, with a lock taken inside. */
#include "basics.h"
#include <threads.h>
#include "invisible.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static once_flag c11_once = ONCE_FLAG_INIT;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static struct meeting ready;
static int calls;

static void innermost(void)
{
	pthread_mutex_lock(&m);
	calls++;
	pthread_mutex_unlock(&m);
}

static void outermost(void)
{
	invisible_sleep_ms(20); /* so that the others come while it runs */
	call_once(&c11_once, innermost);
	calls++;
}

static void *work(void *arg)
{
	meet(&ready, 4);
	pthread_once(&once, outermost);
	call_once(&c11_once, innermost);
	MUST(calls == 2);
	return arg;
}

int main(void)
{
	pthread_t t = start(work), u = start(work);

	run_two(work, work);
	finish(t);
	finish(u);
	return 0;
}
