/* EXPECT: nothing */
/* A condition waiter is cancelled; its cleanup handler releases the mutex that the wait took again. Also sem_wait and
 * join. */
#include "basics.h"
#include "invisible.h"
#include <semaphore.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static sem_t s;
static struct gate at_sem;
static int waits, cleaned;

static void release(void *arg)
{
	cleaned++;
	pthread_mutex_unlock(arg);
}

static void *waiter(void *arg)
{
	pthread_mutex_lock(&m);
	pthread_cleanup_push(release, &m);
	waits = 1;
	for (;;)
		pthread_cond_wait(&c, &m);
	pthread_cleanup_pop(1);
	return arg;
}

static void *sem_waiter(void *arg)
{
	gate_open(&at_sem);
	sem_wait(&s);
	return arg;
}

int main(void)
{
	pthread_t t = start(waiter);
	void *result;

	sem_init(&s, 0, 0);
	for (int there = 0; !there;) {
		pthread_mutex_lock(&m);
		there = waits;
		pthread_mutex_unlock(&m);
	}
	OK(pthread_cancel(t));
	OK(pthread_join(t, &result));
	MUST(result == PTHREAD_CANCELED && cleaned == 1);
	pthread_mutex_lock(&m); /* nobody holds it */
	pthread_mutex_unlock(&m);

	t = start(sem_waiter);
	gate_wait(&at_sem);
	OK(pthread_cancel(t));
	OK(pthread_join(t, &result));
	MUST(result == PTHREAD_CANCELED);
	sem_destroy(&s);
	pthread_cond_destroy(&c);
	pthread_mutex_destroy(&m);
	return 0;
}
