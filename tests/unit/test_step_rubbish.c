/* test_step_rubbish.c - Walks from registers that lead nowhere, and reads of memory that is not there. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/module.h"
#include "core/step.h"

#define MAX 64

static struct step_frame real[MAX];
static unsigned nr_real;
static uintptr_t stack_lo, stack_hi;

static __attribute__((noinline)) void deep(unsigned n)
{
	if (n) {
		deep(n - 1);
	} else {
		struct step_regs regs;
		enum step_end end;
		STEP_HERE(&regs);
		nr_real = step_walk(&regs, stack_lo, stack_hi, real, MAX, &end);
	}
	__asm__ volatile("" ::: "memory");
}

static void test_rubbish(void **state)
{
	(void)state;
	/* Registers that lead nowhere. */
	unsigned seed = getenv("SEED") ? (unsigned)atoi(getenv("SEED")) : (unsigned)time(NULL) ^ (unsigned)getpid();
	printf("# seed %u\n", seed);
	srand(seed);
	struct step_regs here;
	STEP_HERE(&here);
	deep(20);
	for (int i = 0; i < 20000; i++) {
		struct step_regs r = here;
		for (int k = rand() % 3; k >= 0; k--) {
			int reg = (int[]){ 3, 6, 7, 16 }[rand() % 4];
			uintptr_t v[] = { 0,
					  8,
					  UINTPTR_MAX,
					  UINTPTR_MAX - 8,
					  stack_hi - 8,
					  stack_hi,
					  stack_lo,
					  r.r[7] + 8,
					  r.r[7] + (unsigned)rand() % 4096,
					  (uintptr_t)test_rubbish,
					  (uintptr_t)rand() << 20 };
			r.r[reg] =
			    reg == 16 && rand() % 4 ? real[(unsigned)rand() % nr_real].pc : v[(unsigned)rand() % 11];
		}
		struct step_frame f[64];
		enum step_end end;
		bool known = rand() % 2;
		unsigned got = step_walk(&r, known ? stack_lo : 0, known ? stack_hi : 0, f, 64, &end);
		assert_in_range(got, 1, 64);
	}
}

static void test_probe(void **state)
{
	(void)state;
	uintptr_t v = 0, word = 0x1122334455667788;
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(step_probe((uintptr_t)&word, &v));
	assert_int_equal(v, word);
	assert_false(step_probe(8, &v));
	assert_false(step_probe(UINTPTR_MAX - 3, &v));
	assert_true(step_readable((uintptr_t)&word));
	assert_false(step_readable(8));
	assert_false(step_readable((uintptr_t)0x8000000000000000));
	mprotect(p + 4096, 4096, PROT_NONE);
	assert_true(step_probe((uintptr_t)p + 4088, &v));
	assert_false(step_probe((uintptr_t)p + 4092, &v));
	assert_true(step_readable((uintptr_t)p + 4095));
	assert_false(step_readable((uintptr_t)p + 4096));
	munmap(p, 8192);
	sigset_t set;
	sigprocmask(SIG_SETMASK, NULL, &set);
	for (int sig = 1; sig < 32; sig++)
		assert_int_equal(sigismember(&set, sig), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rubbish),
		cmocka_unit_test(test_probe),
	};
	pthread_attr_t attr;
	void *addr;
	size_t size;
	pthread_getattr_np(pthread_self(), &attr);
	pthread_attr_getstack(&attr, &addr, &size);
	pthread_attr_destroy(&attr);
	stack_lo = (uintptr_t)addr;
	stack_hi = stack_lo + size;
	module_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
