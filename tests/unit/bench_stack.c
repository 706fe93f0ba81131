/*
 * bench_stack.c - What walking and remembering stacks costs, beside libunwind and glibc.
 *
 * Not built by default. After `make build/tests/unit/test_stack`:
 *	cc -O2 -g -std=gnu11 -D_GNU_SOURCE -Ipreload tests/unit/bench_stack.c build/libunit.a -ldl -lpthread -o
 *bench_stack (with -fno-omit-frame-pointer as well, to see frames that are found through rbp). libunit.a has its
 *internal checks on; to leave them out compile preload/base, preload/core/{module,depot,stack,step*,borrow*}.c with -O2
 *instead.
 */
#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "core/borrow.h"
#include "core/depot.h"
#include "core/module.h"
#include "core/stack.h"
#include "core/step.h"

#define NOINLINE __attribute__((noinline))
#define KEEP()   __asm__ volatile("" ::: "memory")

static struct stack_cache cache;
static int (*libunwind)(void **, int);

static double now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static NOINLINE uint32_t hook(void)
{
	uintptr_t pc = (uintptr_t)__builtin_return_address(0), cfa = (uintptr_t)__builtin_frame_address(0) + 16;
	uint32_t id = stack_capture(&cache, pc, cfa);
	if (id == 0)
		id = stack_capture_slow(&cache, pc, cfa);
	KEEP();
	return id;
}

static NOINLINE uint32_t hook_missing(void)
{
	uintptr_t pc = (uintptr_t)__builtin_return_address(0), cfa = (uintptr_t)__builtin_frame_address(0) + 16;
	uint32_t id = stack_capture_slow(&cache, pc, cfa);
	KEEP();
	return id;
}

static NOINLINE void nothing(void)
{
	KEEP();
}

#define TIME(n, what)                                     \
	({                                                \
		double best = 1e18;                       \
		for (int turn = 0; turn < 5; turn++) {    \
			double t0 = now_ns();             \
			for (int i = 0; i < (n); i++)     \
				what;                     \
			double t = (now_ns() - t0) / (n); \
			best = t < best ? t : best;       \
		}                                         \
		best;                                     \
	})

static NOINLINE void measure(void)
{
	static struct step_frame f[STACK_MAX_DEPTH];
	static void *v[STACK_MAX_DEPTH];
	struct step_regs regs;
	enum step_end end;
	STEP_HERE(&regs);
	unsigned n = step_walk(&regs, cache.lo, cache.hi, f, STACK_MAX_DEPTH, &end);
	double walk = TIME(100000, step_walk(&regs, cache.lo, cache.hi, f, STACK_MAX_DEPTH, &end));
	double probed = TIME(10000, step_walk(&regs, 0, 0, f, STACK_MAX_DEPTH, &end));
	double theirs = libunwind ? TIME(50000, libunwind(v, STACK_MAX_DEPTH)) : 0;
	double glibc = TIME(2000, backtrace(v, STACK_MAX_DEPTH));
	double borrowed = borrow_available() ? TIME(500, borrow_backtrace(v, STACK_MAX_DEPTH)) : 0;
	double hit = TIME(1000000, hook()) - TIME(1000000, nothing());
	double miss = TIME(20000, hook_missing());
	printf("%3u frames: walk %.0f ns (%.1f a frame), stack unknown %.0f, unw_backtrace %.0f, glibc %.0f, borrowed "
	       "%.0f; "
	       "capture hit %.1f, miss %.0f\n",
	       n, walk, walk / n, probed, theirs, glibc, borrowed, hit, miss);
}

static NOINLINE void at_depth(unsigned n)
{
	if (n)
		at_depth(n - 1);
	else
		measure();
	KEEP();
}

int main(int argc, char **argv)
{
	pthread_attr_t attr;
	void *addr;
	size_t size;
	pthread_getattr_np(pthread_self(), &attr);
	pthread_attr_getstack(&attr, &addr, &size);
	stack_cache_reset(&cache, (uintptr_t)addr, (uintptr_t)addr + size);
	module_start();
	if (argc > 1 && argv[1][0] == 'b') { /* the same library cannot be both */
		const char *why = borrow_start();
		printf("borrow: %s\n", why ? why : "ready");
	} else {
		void *lib = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
		libunwind = lib ? (int (*)(void **, int))dlsym(lib, "unw_backtrace") : NULL;
	}
	for (unsigned d = 0; d <= 34; d += d < 4 ? 2 : d < 14 ? 10 : 20)
		at_depth(d);
	return 0;
}
