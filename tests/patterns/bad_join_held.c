/* EXPECT-LATER: lock-order:possible */
/* main joins a thread while it holds a lock that the thread takes: today the thread was through with it already. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static struct gate worked;

static void *worker(void *arg)
{
	pthread_mutex_lock(&a);
	pthread_mutex_unlock(&a);
	gate_open(&worked);
	return arg;
}

int main(void)
{
	pthread_t t = start(worker);

	gate_wait(&worked);
	pthread_mutex_lock(&a);
	finish(t);
	pthread_mutex_unlock(&a);
	return 0;
}
