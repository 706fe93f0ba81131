/* EXPECT: nothing */
/*
 * The program's own malloc asks to be told of forks at its first call, which comes before anybody else asks; so its handlers are
 * the last before the fork, and take locks then.
 */
#include "basics.h"
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t heap_lock = PTHREAD_MUTEX_INITIALIZER, arenas[40];
static _Alignas(16) char heap[16 << 20];
static size_t used;
static int asked;

/* From deep in the stack and from high up: where the last call of the library stood must not matter. */
static void before(void)
{
	for (int i = 0; i < 40; i++)
		if (pthread_mutex_trylock(&arenas[i]) != 0)
			pthread_mutex_lock(&arenas[i]);
}

static void after(void)
{
	for (int i = 0; i < 40; i++)
		pthread_mutex_unlock(&arenas[i]);
}

static void *take(size_t n)
{
	size_t *p = NULL;

	if (!asked) {
		asked = 1;
		pthread_atfork(before, after, after);
	}
	n = (n + 31) & ~(size_t)15;
	pthread_mutex_lock(&heap_lock);
	if (n <= sizeof(heap) - used) {
		p = (size_t *)(heap + used);
		used += n;
		*p = n - 16;
	}
	pthread_mutex_unlock(&heap_lock);
	return p ? p + 2 : NULL;
}

void *malloc(size_t n)
{
	return take(n);
}

void *calloc(size_t n, size_t size)
{
	return take(n * size);
}

void free(void *p)
{
	(void)p;
}

void *realloc(void *p, size_t n)
{
	char *q = take(n);

	if (q && p)
		memcpy(q, p, ((size_t *)p)[-2] < n ? ((size_t *)p)[-2] : n);
	return q;
}

static void *idle(void *arg)
{
	return arg;
}

/* The last thing snarl does before the fork is done far down. */
__attribute__((noinline)) static void deep(int n)
{
	char pad[512];

	memset(pad, n, sizeof(pad));
	if (n > 0)
		deep(n - 1);
	else
		free(strdup("something to copy"));
	__asm__ volatile("" : : "r"(pad) : "memory");
}

int main(void)
{
	finish(start(idle));
	for (int i = 0; i < 5; i++) {
		int status;

		deep(20);
		pid_t pid = fork();
		if (pid == 0)
			_exit(7);
		if (waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 7)
			return TEST_BROKEN;
	}
	return 0;
}
