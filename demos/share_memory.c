/*
 * share_memory.c - The teaching notes' "threads share memory, processes do not".
 *
 * A child process sets n to 0; the parent's n stays 100. A thread sets n to 0; the main thread's n is 0. Prints 100,
 * then 0.
 *
 * snarl says: no problems found. The child wrote to its own copy, and the thread is joined before n is read.
 */
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int n;

static void *func(void *arg)
{
	n = 0;
	return arg;
}

int main(void)
{
	pthread_t t;
	pid_t p;

	setvbuf(stdout, NULL, _IOLBF, 0); /* nothing may wait in the buffer at a fork */
	n = 100;
	p = fork();
	if (p == 0) {
		func(NULL);
		printf("子进程 pid %d: n = %d\n", (int)getpid(), n);
		return 0;
	}
	waitpid(p, NULL, 0);
	printf("主 pid %d:\n%d\n", (int)getpid(), n);

	n = 1;
	pthread_create(&t, NULL, func, NULL);
	pthread_join(t, NULL);
	printf("主 pid %d:\n%d\n", (int)getpid(), n);
	return 0;
}
