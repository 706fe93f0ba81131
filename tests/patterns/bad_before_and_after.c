/* EXPECT: lock-order:possible */
/* main uses B then A first before there is a thread (harmless), and again while it runs: the first must not hide the
 * second. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t b = PTHREAD_MUTEX_INITIALIZER;
static struct gate first_done, end;

static void *ab(void *arg)
{
	pthread_mutex_lock(&a);
	pthread_mutex_lock(&b);
	pthread_mutex_unlock(&b);
	pthread_mutex_unlock(&a);
	gate_open(&first_done);
	gate_wait(&end);
	return arg;
}

static void lock_ba(void)
{
	pthread_mutex_lock(&b);
	pthread_mutex_lock(&a);
	pthread_mutex_unlock(&a);
	pthread_mutex_unlock(&b);
}

int main(void)
{
	pthread_t t;

	lock_ba();
	t = start(ab);
	gate_wait(&first_done);
	lock_ba();
	gate_open(&end);
	finish(t);
	return 0;
}
