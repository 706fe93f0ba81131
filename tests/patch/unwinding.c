/* unwinding.c - Whoever is interrupted, anywhere, shows a handler all its callers. */
#include "start.h"

#include <execinfo.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

#define WORDS 1024

static int seen, lost, stop;
static volatile int inside;
static uint64_t shared;
static void *outermost;
static uintptr_t caller_at;

static void look(int nr)
{
	void *pc[64];
	int n = backtrace(pc, 64);
	bool caller = false;
	(void)nr;
	for (int i = 0; i < n; i++)
		caller |= (uintptr_t)pc[i] - caller_at < 200;
	if (inside && (!caller || pc[n - 1] != outermost))
		__atomic_add_fetch(&lost, 1, __ATOMIC_SEQ_CST);
	if (inside)
		__atomic_add_fetch(&seen, 1, __ATOMIC_SEQ_CST);
}

__attribute__((noinline)) static uint64_t work(uint64_t *p, uint64_t k)
{
	void *at = p + k % 512;
	uint64_t n = 64;
	for (unsigned i = 0; i < 64; i++) {
		p[(k * 67 + i * 7) % WORDS] += k;
		k ^= p[i];
	}
	__asm__ volatile("rep stosq" : "+D"(at), "+c"(n) : "a"(k) : "memory");
	__asm__ volatile("lock incq %0" : "+m"(shared));
	memcpy(p, p + 512, 8 * (k % 300));
	return p[k % WORDS];
}

__attribute__((noinline)) static uint64_t caller(uint64_t *p)
{
	uint64_t sum = 0;
	inside = 1;
	for (uint64_t k = 0; !__atomic_fetch_add(&stop, 0, __ATOMIC_SEQ_CST); k++)
		sum += work(p, k);
	inside = 0;
	return sum;
}

static void *worker(void *arg)
{
	uint64_t p[WORDS];
	void *pc[64];
	memset(p, 1, sizeof p);
	outermost = pc[backtrace(pc, 64) - 1];
	volatile uint64_t sum = caller(p);
	return (void *)(uintptr_t)(sum == 1 || arg == &lost);
}

int main(void)
{
	caller_at = (uintptr_t)caller;
	start_engine();
	struct sigaction a = { .sa_handler = look, .sa_flags = SA_RESTART };
	OK(sigaction(SIGUSR1, &a, NULL));
	pthread_t t = start(worker);
	while (__atomic_fetch_add(&seen, 0, __ATOMIC_SEQ_CST) < 200)
		if (pthread_kill(t, SIGUSR1) != 0)
			return TEST_BROKEN;
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
	OK(pthread_join(t, NULL));
	printf("lost %d\n", lost);
	return 0;
}
