/*
 * mutex_ab.c - The teaching notes' mutexA/mutexB program ("deadlock and recursive lock"), as written there.
 *
 * Ten threads run func1 (A, then B) and func2 (B, a sleep, then A). While one thread sleeps in func2 with B, the next
 * takes A in func1 and wants B: each waits for the other, the rest queue up behind them, and the program hangs for
 * good.
 *
 * snarl says: deadlock, with the two threads of the ring, what each waits for and where it took what it holds.
 * Only the sleep is shorter than in the notes (2 s there).
 */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define THREADS 10

static pthread_mutex_t mutexA = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t mutexB = PTHREAD_MUTEX_INITIALIZER;

static void func1(const char *name)
{
	pthread_mutex_lock(&mutexA); // EXPECT deadlock
	printf("\033[41m%s 拿到A锁\033[0m\n", name);

	pthread_mutex_lock(&mutexB); // EXPECT deadlock
	printf("\033[42m%s 拿到B锁\033[0m\n", name);
	pthread_mutex_unlock(&mutexB);

	pthread_mutex_unlock(&mutexA);
}

static void func2(const char *name)
{
	pthread_mutex_lock(&mutexB); // EXPECT deadlock
	printf("\033[43m%s 拿到B锁\033[0m\n", name);
	usleep(100 * 1000);

	pthread_mutex_lock(&mutexA); // EXPECT deadlock
	printf("\033[44m%s 拿到A锁\033[0m\n", name);
	pthread_mutex_unlock(&mutexA);

	pthread_mutex_unlock(&mutexB);
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

	setvbuf(stdout, NULL, _IOLBF, 0); /* it never gets to flush at exit */
	for (int i = 0; i < THREADS; i++) {
		snprintf(name[i], sizeof(name[i]), "Thread-%d", i + 1);
		pthread_create(&thread[i], NULL, run, name[i]);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	printf("done\n");
	return 0;
}
