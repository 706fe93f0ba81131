/* EXPECT: nothing */
/*
 * Threads that fall asleep in turn, thousands of times: now and then all records say "asleep" while somebody is on his
 * way, because the one who wakes him lay down before he woke. None of these shapes ever stands still.
 */
#include "basics.h"
#include <semaphore.h>

#define WORKERS 3
#define IDLERS  20

static int rounds, quit;
static pthread_barrier_t barrier;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER, idle_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t done = PTHREAD_COND_INITIALIZER, never = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static sem_t sem[WORKERS];
static int turn, posted, sum;

static void spend(int n)
{
	for (volatile int k = 0; k < n; k++)
		;
}

static void *idler(void *arg)
{
	pthread_mutex_lock(&idle_lock);
	while (!quit)
		pthread_cond_wait(&never, &idle_lock);
	pthread_mutex_unlock(&idle_lock);
	return arg;
}

/* The last one of a barrier lets the others go and is first at the next. */
static void *at_barrier(void *arg)
{
	for (int i = 0; i < rounds; i++)
		pthread_barrier_wait(&barrier);
	return arg;
}

/* One slot, handed to and fro by one condition. */
static void *to_and_fro(void *arg)
{
	int me = arg == &sem[0];

	for (int i = 0; i < rounds && arg != &sem[2]; i++) {
		pthread_mutex_lock(&m);
		while (turn != me)
			pthread_cond_wait(&done, &m);
		turn = !me;
		pthread_cond_signal(&done);
		pthread_mutex_unlock(&m);
	}
	return NULL;
}

/* A ring of semaphores, with a mutex between. */
static void *in_a_ring(void *arg)
{
	long i = (sem_t *)arg - sem;

	for (int k = 0; k < rounds; k++) {
		while (sem_wait(&sem[i]))
			;
		pthread_mutex_lock(&m);
		sum++;
		pthread_mutex_unlock(&m);
		sem_post(&sem[(i + 1) % WORKERS]);
	}
	return NULL;
}

/* Woken by a post, then stuck on the mutex that the poster has gone to sleep with. */
static void *post_then_lock(void *arg)
{
	for (int i = 0; i < rounds; i++) {
		if (arg == &sem[0]) {
			while (sem_wait(&sem[0]))
				;
			pthread_mutex_lock(&m);
			__atomic_store_n(&posted, 1, __ATOMIC_SEQ_CST);
			spend(i % 300);
			pthread_mutex_unlock(&m);
		} else if (arg == &sem[1]) {
			sem_post(&sem[0]);
			while (!__atomic_exchange_n(&posted, 0, __ATOMIC_SEQ_CST))
				sched_yield();
			pthread_mutex_lock(&m);
			pthread_mutex_unlock(&m);
		}
	}
	return NULL;
}

/* A reader that sleeps inside, one that lets it go, and a writer that waits for both. */
static void *readers(void *arg)
{
	for (int i = 0; i < rounds; i++) {
		if (arg == &sem[2])
			pthread_rwlock_wrlock(&rw);
		else
			pthread_rwlock_rdlock(&rw);
		if (arg == &sem[0])
			while (sem_wait(&sem[1]))
				;
		pthread_rwlock_unlock(&rw);
		if (arg == &sem[1])
			sem_post(&sem[1]);
	}
	return NULL;
}

static void play(void *(*f)(void *), int n, int first)
{
	pthread_t t[WORKERS];

	rounds = n;
	for (int i = 0; i < WORKERS; i++)
		sem_init(&sem[i], 0, i < first);
	for (int i = 0; i < WORKERS; i++)
		t[i] = start_with(f, &sem[i]);
	for (int i = 0; i < WORKERS; i++)
		finish(t[i]);
	for (int i = 0; i < WORKERS; i++)
		sem_destroy(&sem[i]);
}

int main(void)
{
	pthread_t idle[IDLERS];

	OK(pthread_barrier_init(&barrier, NULL, WORKERS));
	for (int with_idlers = 0; with_idlers < 2; with_idlers++) {
		for (int i = 0; with_idlers && i < IDLERS; i++)
			idle[i] = start(idler);
		play(at_barrier, 1000, 0);
		play(to_and_fro, 1000, 0);
		play(in_a_ring, 400, 1);
		play(post_then_lock, 400, 0);
		play(readers, 400, 0);
	}
	pthread_mutex_lock(&idle_lock);
	quit = 1;
	pthread_cond_broadcast(&never);
	pthread_mutex_unlock(&idle_lock);
	for (int i = 0; i < IDLERS; i++)
		finish(idle[i]);
	return 0;
}
