/* fibers.c - makecontext and small stacks: the slow path must not need room there. */
#include "start.h"

#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

#define FIBERS 50
#define BYTES  4096

static ucontext_t main_context, contexts[FIBERS];
static char stacks[FIBERS][BYTES] __attribute__((aligned(16)));
static long shared[512];
static volatile sig_atomic_t rang;

static void fiber(int me)
{
	for (int i = 0; i < 20; i++) {
		for (int k = 0; k < 100; k++)
			shared[(me * 31 + i * 7 + k * 11) & 511] += me + i;
		swapcontext(&contexts[me], &main_context);
	}
}

static void on_alarm(int nr)
{
	(void)nr;
	for (int i = 0; i < 64; i++)
		shared[i] += 1;
	rang++;
}

static void *worker(void *arg)
{
	char alt[4096 + 8192];
	(void)arg;
	stack_t ss = { .ss_sp = alt, .ss_size = sizeof alt };
	OK(sigaltstack(&ss, NULL));
	for (int i = 0; i < 200; i++)
		raise(SIGUSR1);
	ss.ss_flags = SS_DISABLE;
	OK(sigaltstack(&ss, NULL));
	return NULL;
}

int main(void)
{
	pthread_t t;
	static long sum;
	struct sigaction a = { .sa_handler = on_alarm, .sa_flags = SA_ONSTACK };
	OK(sigaction(SIGUSR1, &a, NULL));
	start_engine();
	for (int i = 0; i < FIBERS; i++) {
		getcontext(&contexts[i]);
		contexts[i].uc_stack.ss_sp = stacks[i];
		contexts[i].uc_stack.ss_size = BYTES;
		contexts[i].uc_link = &main_context;
		makecontext(&contexts[i], (void (*)(void))(uintptr_t)fiber, 1, i);
	}
	for (int round = 0; round < 20; round++)
		for (int i = 0; i < FIBERS; i++)
			swapcontext(&main_context, &contexts[i]);
	OK(pthread_create(&t, NULL, worker, NULL));
	OK(pthread_join(t, NULL));
	for (int i = 0; i < 512; i++)
		sum += shared[i] * (i + 1);
	printf("%ld, %d signals\n", sum, (int)rang);
	return 0;
}
