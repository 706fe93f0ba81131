/* EXPECT: nothing */
/* Many readers, one writer; readers that read twice; a reader that lets go before it writes. */
#include "basics.h"

#define READERS 6

static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_mutex_t stat_lock = PTHREAD_MUTEX_INITIALIZER;
static int value, reads;

static void *reader(void *arg)
{
	for (int i = 0; i < 100; i++) {
		pthread_rwlock_rdlock(&rw);
		OK(pthread_rwlock_rdlock(&rw)); /* allowed: this lock prefers readers */
		pthread_mutex_lock(&stat_lock);
		reads += value >= 0;
		pthread_mutex_unlock(&stat_lock);
		pthread_rwlock_unlock(&rw);
		pthread_rwlock_unlock(&rw);
	}
	pthread_rwlock_wrlock(&rw);
	value++;
	pthread_rwlock_unlock(&rw);
	return arg;
}

static void *writer(void *arg)
{
	for (int i = 0; i < 50; i++) {
		pthread_rwlock_wrlock(&rw);
		value++;
		pthread_mutex_lock(&stat_lock);
		pthread_mutex_unlock(&stat_lock);
		pthread_rwlock_unlock(&rw);
	}
	return arg;
}

int main(void)
{
	pthread_t w = start(writer), r[READERS];

	for (int i = 0; i < READERS; i++)
		r[i] = start(reader);
	for (int i = 0; i < READERS; i++)
		finish(r[i]);
	finish(w);
	MUST(reads == READERS * 100 && value == READERS + 50);
	OK(pthread_rwlock_destroy(&rw));
	return 0;
}
