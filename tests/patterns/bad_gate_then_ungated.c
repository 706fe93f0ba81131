/* EXPECT: lock-order:possible */
/* The same thread uses the same order first inside the gate, then without it: the first must not hide the second. */
#include "basics.h"
#include "invisible.h"

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t b = PTHREAD_MUTEX_INITIALIZER;
static struct gate first_done;

static void lock_ab(void)
{
	pthread_mutex_lock(&a);
	pthread_mutex_lock(&b);
	pthread_mutex_unlock(&b);
	pthread_mutex_unlock(&a);
}

static void lock_ba(void)
{
	pthread_mutex_lock(&b);
	pthread_mutex_lock(&a);
	pthread_mutex_unlock(&a);
	pthread_mutex_unlock(&b);
}

static void *ab(void *arg)
{
	for (int i = 0; i < 10; i++) {
		pthread_mutex_lock(&gate);
		lock_ab();
		pthread_mutex_unlock(&gate);
	}
	lock_ab();
	gate_open(&first_done);
	return arg;
}

static void *ba(void *arg)
{
	gate_wait(&first_done);
	for (int i = 0; i < 10; i++) {
		pthread_mutex_lock(&gate);
		lock_ba();
		pthread_mutex_unlock(&gate);
	}
	lock_ba();
	return arg;
}

int main(void)
{
	run_two(ab, ba);
	return 0;
}
