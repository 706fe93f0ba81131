/* EXPECT: nothing */
/* A buffer of one place: "room" starts at 1, "full" at 0, and the two threads pass them to each other, both under other locks. */
#include "basics.h"
#include <semaphore.h>

static pthread_mutex_t put_lock = PTHREAD_MUTEX_INITIALIZER, get_lock = PTHREAD_MUTEX_INITIALIZER,
		       m = PTHREAD_MUTEX_INITIALIZER;
static sem_t room, full;
static int place;

static void *producer(void *arg)
{
	for (int i = 0; i < 500; i++) {
		pthread_mutex_lock(&put_lock);
		sem_wait(&room);
		pthread_mutex_lock(&m);
		place = i;
		pthread_mutex_unlock(&m);
		sem_post(&full);
		pthread_mutex_unlock(&put_lock);
	}
	return arg;
}

static void *consumer(void *arg)
{
	for (int i = 0; i < 500; i++) {
		pthread_mutex_lock(&get_lock);
		sem_wait(&full);
		pthread_mutex_lock(&m);
		MUST(place == i);
		pthread_mutex_unlock(&m);
		sem_post(&room);
		pthread_mutex_unlock(&get_lock);
	}
	return arg;
}

int main(void)
{
	MUST(sem_init(&room, 0, 1) == 0);
	MUST(sem_init(&full, 0, 0) == 0);
	run_two(producer, consumer);
	/* And the roles the other way round. */
	pthread_mutex_lock(&m);
	sem_wait(&room);
	pthread_mutex_unlock(&m);
	return 0;
}
