/* EXPECT: nothing */
/* Everything is destroyed after its users were joined, then initialised again and used again. */
#include "basics.h"
#include <semaphore.h>

static pthread_mutex_t m;
static pthread_rwlock_t rw;
static pthread_cond_t c;
static pthread_barrier_t b;
static pthread_spinlock_t s;
static sem_t sem;
static int turn;

static void *work(void *arg)
{
	pthread_barrier_wait(&b);
	pthread_mutex_lock(&m);
	turn++;
	pthread_cond_broadcast(&c);
	while (turn < 2)
		pthread_cond_wait(&c, &m);
	pthread_mutex_unlock(&m);
	pthread_rwlock_rdlock(&rw);
	pthread_rwlock_unlock(&rw);
	pthread_spin_lock(&s);
	pthread_spin_unlock(&s);
	sem_post(&sem);
	return arg;
}

int main(void)
{
	for (int i = 0; i < 3; i++) {
		turn = 0;
		OK(pthread_mutex_init(&m, NULL));
		OK(pthread_rwlock_init(&rw, NULL));
		OK(pthread_cond_init(&c, NULL));
		OK(pthread_barrier_init(&b, NULL, 2));
		OK(pthread_spin_init(&s, PTHREAD_PROCESS_PRIVATE));
		MUST(sem_init(&sem, 0, 0) == 0);
		run_two(work, work);
		MUST(sem_wait(&sem) == 0 && sem_wait(&sem) == 0);
		OK(pthread_mutex_destroy(&m));
		OK(pthread_rwlock_destroy(&rw));
		OK(pthread_cond_destroy(&c));
		OK(pthread_barrier_destroy(&b));
		OK(pthread_spin_destroy(&s));
		MUST(sem_destroy(&sem) == 0);
	}
	return 0;
}
