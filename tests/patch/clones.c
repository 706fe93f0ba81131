/* clones.c - Threads made by clone() alone: with thread-local memory that is another's, what they compute is their own all the same. */
#include "start.h"

#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS 1024

static uint64_t mine[WORDS], its[WORDS], result;

__attribute__((noinline)) static uint64_t work(uint64_t *p)
{
	uint64_t seed = 1;
	memset(p, 0, WORDS * sizeof *p);
	for (unsigned i = 0; i < 300000; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		p[seed >> 54] += seed;
		((uint8_t *)p)[seed >> 51 & 0x1fff] ^= (uint8_t)seed;
		seed ^= p[i % WORDS];
	}
	return seed;
}

static int child(void *arg)
{
	result = work(its);
	syscall(SYS_exit, 0);
	return arg != NULL;
}

static void with(const char *what, int flags)
{
	static char stack[1 << 18] __attribute__((aligned(16)));
	int status;
	result = 0;
	pid_t pid = clone(child, stack + sizeof stack, flags | SIGCHLD, NULL);
	MUST(pid > 0);
	uint64_t sum = work(mine);
	while (waitpid(pid, &status, __WALL) < 0)
		MUST(errno == EINTR);
	printf("%s: %016lx %016lx %d\n", what, sum, result, status);
}

int main(void)
{
	start_engine();
	printf("alone: %016lx\n", work(mine));
	with("a process", 0);
	with("while we wait", CLONE_VM | CLONE_VFORK);
	with("memory", CLONE_VM);
	with("nearly a thread", CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND);
	return 0;
}
