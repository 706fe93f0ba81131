/* EXPECT: deadlock:confirmed [lock-order]; hangs */
/* main joins a thread while it holds the lock the thread waits for. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static struct gate held;

static void *worker(void *arg)
{
	gate_wait(&held);
	pthread_mutex_lock(&a); // EXPECT deadlock
	pthread_mutex_unlock(&a);
	return arg;
}

int main(void)
{
	pthread_t t = start(worker);

	pthread_mutex_lock(&a); // EXPECT deadlock
	gate_open(&held);
	pthread_join(t, NULL); // EXPECT deadlock
	pthread_mutex_unlock(&a);
	return 0;
}
