/* EXPECT: nothing */
/* Everybody waits, but each with a time limit: all of them go on by themselves. Errors by time-out are what was asked
 * for. */
#include "basics.h"
#include "invisible.h"
#include <semaphore.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static sem_t s;
static struct gate all_held;

static void *cond_sleeper(void *arg)
{
	struct timespec t = in_ms(CLOCK_REALTIME, 150), mono = in_ms(CLOCK_MONOTONIC, 200);

	pthread_mutex_lock(&m);
	MUST(pthread_cond_timedwait(&c, &m, &t) == ETIMEDOUT);
	MUST(pthread_cond_clockwait(&c, &m, CLOCK_MONOTONIC, &mono) == ETIMEDOUT);
	pthread_mutex_unlock(&m);
	return arg;
}

static void *sem_sleeper(void *arg)
{
	struct timespec t = in_ms(CLOCK_REALTIME, 150), mono = in_ms(CLOCK_MONOTONIC, 200);

	MUST(sem_timedwait(&s, &t) == -1 && errno == ETIMEDOUT);
	MUST(sem_clockwait(&s, CLOCK_MONOTONIC, &mono) == -1 && errno == ETIMEDOUT);
	return arg;
}

static void *lock_sleeper(void *arg)
{
	struct timespec t, mono;

	gate_wait(&all_held);
	t = in_ms(CLOCK_REALTIME, 50);
	MUST(pthread_mutex_timedlock(&held, &t) == ETIMEDOUT);
	mono = in_ms(CLOCK_MONOTONIC, 50);
	MUST(pthread_mutex_clocklock(&held, CLOCK_MONOTONIC, &mono) == ETIMEDOUT);
	t = in_ms(CLOCK_REALTIME, 50);
	MUST(pthread_rwlock_timedrdlock(&rw, &t) == ETIMEDOUT);
	return arg;
}

int main(void)
{
	pthread_t t[3];

	sem_init(&s, 0, 0);
	pthread_mutex_lock(&held);
	pthread_rwlock_wrlock(&rw);
	gate_open(&all_held);
	t[0] = start(cond_sleeper);
	t[1] = start(sem_sleeper);
	t[2] = start(lock_sleeper);
	for (int i = 0; i < 3; i++)
		finish(t[i]);
	pthread_rwlock_unlock(&rw);
	pthread_mutex_unlock(&held);
	sem_destroy(&s);
	return 0;
}
