/*
 * mutex_ab_late.c - mutex_ab.c on a lucky day: func2 comes late, so nothing hangs.
 *
 * One thread runs func1 (A, then B), another runs func2 (B, then A) a moment later. Today they miss each other and the
 * program ends as it should; every test passes. On a busy machine they meet. This is the bug that testing does not
 * find: nothing but the sleep keeps the two apart.
 *
 * snarl says: lock-order, with the two threads and the four places where the locks are taken.
 */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static pthread_mutex_t mutexA = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t mutexB = PTHREAD_MUTEX_INITIALIZER;

static void *func1(void *name)
{
	pthread_mutex_lock(&mutexA); // EXPECT lock-order
	printf("\033[41m%s 拿到A锁\033[0m\n", (char *)name);

	pthread_mutex_lock(&mutexB); // EXPECT lock-order
	printf("\033[42m%s 拿到B锁\033[0m\n", (char *)name);
	pthread_mutex_unlock(&mutexB);

	pthread_mutex_unlock(&mutexA);
	return NULL;
}

static void *func2(void *name)
{
	usleep(100 * 1000); /* busy with something else */

	pthread_mutex_lock(&mutexB); // EXPECT lock-order
	printf("\033[43m%s 拿到B锁\033[0m\n", (char *)name);

	pthread_mutex_lock(&mutexA); // EXPECT lock-order
	printf("\033[44m%s 拿到A锁\033[0m\n", (char *)name);
	pthread_mutex_unlock(&mutexA);

	pthread_mutex_unlock(&mutexB);
	return NULL;
}

int main(void)
{
	pthread_t t1, t2;

	pthread_create(&t1, NULL, func1, (void *)"Thread-1");
	pthread_create(&t2, NULL, func2, (void *)"Thread-2");
	pthread_join(t1, NULL);
	pthread_join(t2, NULL);
	printf("done\n");
	return 0;
}
