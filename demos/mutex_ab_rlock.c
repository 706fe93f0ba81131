/*
 * mutex_ab_rlock.c - The teaching notes' repair of mutex_ab.c: one recursive lock in place of both mutexes.
 *
 * A thread that holds it may take it again; another has to wait until it is given back as often as it was taken. With a
 * single lock there is no order to get wrong. The innocent twin: snarl says "no problems found".
 */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define THREADS 10

static pthread_mutex_t mutex;

static void func1(const char *name)
{
	pthread_mutex_lock(&mutex);
	printf("\033[41m%s 拿到A锁\033[0m\n", name);

	pthread_mutex_lock(&mutex);
	printf("\033[42m%s 拿到B锁\033[0m\n", name);
	pthread_mutex_unlock(&mutex);

	pthread_mutex_unlock(&mutex);
}

static void func2(const char *name)
{
	pthread_mutex_lock(&mutex);
	printf("\033[43m%s 拿到B锁\033[0m\n", name);
	usleep(20 * 1000);

	pthread_mutex_lock(&mutex);
	printf("\033[44m%s 拿到A锁\033[0m\n", name);
	pthread_mutex_unlock(&mutex);

	pthread_mutex_unlock(&mutex);
}

static void *run(void *name)
{
	func1(name);
	func2(name);
	return NULL;
}

int main(void)
{
	pthread_t thread[THREADS];
	char name[THREADS][16];
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&mutex, &attr);
	pthread_mutexattr_destroy(&attr);

	for (int i = 0; i < THREADS; i++) {
		snprintf(name[i], sizeof(name[i]), "Thread-%d", i + 1);
		pthread_create(&thread[i], NULL, run, name[i]);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	pthread_mutex_destroy(&mutex);
	return 0;
}
