/*
 * mutex_ab_ordered.c - The other repair of mutex_ab.c: two mutexes, the same order everywhere.
 *
 * func2 takes A before B, as func1 does, although it needs B first. No ring can close.
 * The innocent twin: snarl says "no problems found".
 */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define THREADS 10

static pthread_mutex_t mutexA = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t mutexB = PTHREAD_MUTEX_INITIALIZER;

static void func1(const char *name)
{
	pthread_mutex_lock(&mutexA);
	printf("\033[41m%s 拿到A锁\033[0m\n", name);

	pthread_mutex_lock(&mutexB);
	printf("\033[42m%s 拿到B锁\033[0m\n", name);
	pthread_mutex_unlock(&mutexB);

	pthread_mutex_unlock(&mutexA);
}

static void func2(const char *name)
{
	pthread_mutex_lock(&mutexA);
	printf("\033[44m%s 拿到A锁\033[0m\n", name);

	pthread_mutex_lock(&mutexB);
	printf("\033[43m%s 拿到B锁\033[0m\n", name);
	usleep(20 * 1000);
	pthread_mutex_unlock(&mutexB);

	pthread_mutex_unlock(&mutexA);
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

	for (int i = 0; i < THREADS; i++) {
		snprintf(name[i], sizeof(name[i]), "Thread-%d", i + 1);
		pthread_create(&thread[i], NULL, run, name[i]);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	return 0;
}
