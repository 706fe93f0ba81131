/*
 * process_pool_ab.c - A process pool whose processes each have the teaching notes' mutexA and mutexB in the wrong
 * order.
 *
 * "Processes have deadlocks as well", say the notes. Each of three processes has a thread that takes A, then B, and a
 * later one that takes B, then A. As in mutex_ab_late.c they miss each other, today.
 *
 * snarl says: lock-order, once: each process writes what it finds into its own journal, and snarl run (or snarl report,
 * with all the journals) says it once and how often it was found.
 */
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES 3

static pthread_mutex_t mutexA = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t mutexB = PTHREAD_MUTEX_INITIALIZER;

static void *func1(void *arg)
{
	pthread_mutex_lock(&mutexA); // EXPECT lock-order
	printf("%d 拿到A锁\n", (int)getpid());
	pthread_mutex_lock(&mutexB); // EXPECT lock-order
	printf("%d 拿到B锁\n", (int)getpid());
	pthread_mutex_unlock(&mutexB);
	pthread_mutex_unlock(&mutexA);
	return arg;
}

static void *func2(void *arg)
{
	usleep(100 * 1000);          /* busy with something else */
	pthread_mutex_lock(&mutexB); // EXPECT lock-order
	printf("%d 拿到B锁\n", (int)getpid());
	pthread_mutex_lock(&mutexA); // EXPECT lock-order
	printf("%d 拿到A锁\n", (int)getpid());
	pthread_mutex_unlock(&mutexA);
	pthread_mutex_unlock(&mutexB);
	return arg;
}

static void work(void)
{
	pthread_t t1, t2;

	pthread_create(&t1, NULL, func1, NULL);
	pthread_create(&t2, NULL, func2, NULL);
	pthread_join(t1, NULL);
	pthread_join(t2, NULL);
}

int main(void)
{
	int ended = 0;

	setvbuf(stdout, NULL, _IOLBF, 0); /* nothing may wait in the buffer at a fork */
	for (int i = 0; i < PROCESSES; i++) {
		if (fork() == 0) {
			work();
			return 0;
		}
	}
	while (wait(NULL) > 0)
		ended++;
	printf("%d\n", ended);
	return 0;
}
