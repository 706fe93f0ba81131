/* test_stack.c - Remembered stacks: a hit must be what a fresh walk would have found. */
#include <alloca.h>
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/depot.h"
#include "core/module.h"
#include "core/stack.h"

#define NOINLINE __attribute__((noinline))
#define KEEP()   __asm__ volatile("" ::: "memory")

static __thread struct stack_cache cache;
static __thread uint32_t last;
static _Atomic uint64_t hits, wrong, wrong_pc;

static uintptr_t cache_begin(void)
{
	pthread_attr_t attr;
	void *addr;
	size_t size;
	pthread_getattr_np(pthread_self(), &attr);
	pthread_attr_getstack(&attr, &addr, &size);
	pthread_attr_destroy(&attr);
	stack_cache_reset(&cache, (uintptr_t)addr, (uintptr_t)addr + size);
	return (uintptr_t)addr;
}

/* As a hook would: its own frame, the cache, the slow half. */
static NOINLINE uint32_t hook(void)
{
	uintptr_t pc = (uintptr_t)__builtin_return_address(0), cfa = (uintptr_t)__builtin_frame_address(0) + 16;
	uint32_t id = stack_capture(&cache, pc, cfa);
	hits += id != 0;
	uint32_t fresh = stack_capture_slow(NULL, pc, cfa);
	if (id == 0) {
		id = stack_capture_slow(&cache, pc, cfa);
		KEEP();
	}
	if (id != fresh)
		wrong++;
	const struct depot_stack *s = depot_get(fresh);
	const struct module *m = s ? module_by_id(s->frame[0].module) : NULL;
	if (!m || m->bias + s->frame[0].offset != pc)
		wrong_pc++;
	last = id;
	return id;
}

static NOINLINE void wrapper(void)
{
	hook();
	KEEP();
}
static NOINLINE void caller_a(void)
{
	wrapper();
	KEEP();
}
static NOINLINE void caller_b(void)
{
	wrapper();
	KEEP();
	KEEP();
}

static void test_two_callers(void **state)
{
	(void)state;
	uint32_t a = 0, b = 0;
	cache_begin();
	hits = 0;
	for (int i = 0; i < 10; i++) {
		caller_a();
		assert_true(a == 0 || a == last);
		a = last;
		/* Same wrapper, same depth: same pc and CFA at the hook. */
		caller_b();
		assert_true(b == 0 || b == last);
		b = last;
	}
	assert_int_not_equal(a, b);
	assert_int_equal(wrong, 0);
	assert_int_equal(depot_get(a)->cut, 0);
	uint64_t before = cache.misses;
	volatile int times = 10; /* unrolled, each turn would be another call */
	hits = 0;
	for (int i = 0; i < times; i++)
		caller_a();
	assert_int_equal(hits, 9);
	assert_int_equal(cache.misses, before + 1);
}

/* A hook whose slow half is called in tail position, with another frame than its own. */
static NOINLINE uint32_t slow_half(uintptr_t pc, uintptr_t cfa)
{
	uint32_t id = 0;
	for (volatile int i = 0; i < 1; i++)
		id += stack_capture_slow(&cache, pc, cfa);
	return id;
}
static NOINLINE uint32_t lean_hook(void)
{
	uintptr_t pc = (uintptr_t)__builtin_return_address(0), cfa = (uintptr_t)__builtin_frame_address(0) + 16;
	uint32_t id = stack_capture(&cache, pc, cfa);
	if (id == 0)
		return slow_half(pc, cfa);
	hits++;
	return id;
}
static NOINLINE uint32_t with_alloca(size_t n)
{
	char *p = alloca(n);
	long v[8] __attribute__((aligned(64)));
	__asm__ volatile("" ::"r"(p), "r"(v) : "memory");
	uint32_t id = lean_hook();
	KEEP();
	return id;
}

static void test_lean_hook(void **state)
{
	(void)state;
	volatile int times = 10;
	uint32_t id = 0;
	cache_begin();
	hits = 0;
	for (int i = 0; i < times; i++) {
		uint32_t now = with_alloca(100);
		assert_true(now != 0 && (id == 0 || id == now));
		id = now;
	}
	assert_int_equal(hits, 9);
}

/* Calls at random, with frames whose size changes and whose old contents stay where they were. */
static unsigned seed;
static unsigned rnd(unsigned n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 16) % n;
}

static void go(unsigned depth);

static NOINLINE void f_plain(unsigned d)
{
	go(d);
	KEEP();
}
static NOINLINE void f_alloca(unsigned d)
{
	char *p = alloca(16 + 16 * rnd(20)); /* not initialised: stale return addresses are the point */
	__asm__ volatile("" ::"r"(p) : "memory");
	go(d);
	KEEP();
}
static NOINLINE void f_vla(unsigned d)
{
	char v[1 + rnd(400)];
	__asm__ volatile("" ::"r"(v) : "memory");
	go(d);
	KEEP();
}
static NOINLINE void f_aligned(unsigned d)
{
	char v[64] __attribute__((aligned(64)));
	__asm__ volatile("" ::"r"(v) : "memory");
	go(d);
	KEEP();
}
static NOINLINE void f_drap(unsigned d, int a, int b, int c, int e, int f, int g, ...)
{
	char v[64] __attribute__((aligned(64)));
	char *p = alloca(16 * (1 + rnd(8)));
	va_list ap;
	va_start(ap, g);
	__asm__ volatile("" ::"r"(v), "r"(p), "r"(va_arg(ap, int)) : "memory");
	va_end(ap);
	go(d);
	KEEP();
	__asm__ volatile("" ::"r"(a + b + c + e + f + g));
}
static NOINLINE void f_maybe(unsigned d)
{
	/* A constant amount, but not always. */
	if (rnd(2)) {
		char *p = alloca(256);
		__asm__ volatile("" ::"r"(p) : "memory");
	}
	go(d);
	KEEP();
}
static NOINLINE void f_loop(unsigned d)
{
	/* The only change of rsp looks like a prologue's, but comes round again. */
	volatile unsigned n = rnd(3);
	unsigned i = 0;
	do {
		char *p = alloca(64);
		__asm__ volatile("" ::"r"(p) : "memory");
	} while (i++ < n);
	go(d);
	KEEP();
}
static NOINLINE void f_twice(unsigned d)
{
	go(d);
	KEEP();
	go(d);
	KEEP();
}

static NOINLINE void go(unsigned depth)
{
	if (depth == 0) {
		if (rnd(2))
			wrapper();
		else
			hook();
		KEEP();
		return;
	}
	switch (rnd(8)) {
	case 0:
		f_plain(depth - 1);
		break;
	case 1:
		f_alloca(depth - 1);
		break;
	case 2:
		f_vla(depth - 1);
		break;
	case 3:
		f_aligned(depth - 1);
		break;
	case 4:
		f_drap(depth - 1, 1, 2, 3, 4, 5, 6, 7);
		break;
	case 5:
		f_maybe(depth - 1);
		break;
	case 6:
		f_loop(depth - 1);
		break;
	default:
		f_twice(depth - 1);
	}
	KEEP();
}

static void test_random(void **state)
{
	(void)state;
	unsigned begin = getenv("SEED") ? (unsigned)atoi(getenv("SEED")) : (unsigned)time(NULL) ^ (unsigned)getpid();
	printf("# seed %u\n", begin);
	cache_begin();
	hits = wrong = wrong_pc = 0;
	for (unsigned i = 0; i < 60000; i++) {
		/* Few distinct ways, so that they meet again. */
		seed = begin + i * 7919 % 500 + (i % 10 == 0 ? i : 0);
		go(i % 4 + 1);
	}
	printf("# %lu hits, %lu misses, %lu wrong\n", (unsigned long)hits, (unsigned long)cache.misses,
	       (unsigned long)wrong);
	assert_int_equal(wrong, 0);
	assert_int_equal(wrong_pc, 0);
	assert_true(hits > 1000);
}

static void on_signal(int sig)
{
	(void)sig;
	hook();
}

static void test_signal(void **state)
{
	(void)state;
	static char stack[65536];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	cache_begin();
	wrong = wrong_pc = 0;
	for (int flags = 0; flags <= SA_ONSTACK; flags += SA_ONSTACK) {
		struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags };
		sigaltstack(&ss, NULL);
		sigaction(SIGUSR1, &sa, NULL);
		for (int i = 0; i < 10; i++) {
			raise(SIGUSR1);
			const struct depot_stack *s = depot_get(last);
			assert_false(s->cut);
			assert_true(s->nr > 6);
		}
	}
	ss.ss_flags = SS_DISABLE;
	sigaltstack(&ss, NULL);
	assert_int_equal(wrong, 0);
	assert_int_equal(wrong_pc, 0);
}

static NOINLINE void deep(unsigned n)
{
	if (n)
		deep(n - 1);
	else
		hook();
	KEEP();
}

static void test_depth(void **state)
{
	(void)state;
	cache_begin();
	stack_set_depth(10);
	deep(30);
	deep(30);
	assert_int_equal(depot_get(last)->nr, 10);
	assert_true(depot_get(last)->cut);
	stack_set_depth(1);
	deep(3);
	assert_int_equal(depot_get(last)->nr, 1);
	stack_set_depth(100000);
	deep(1000);
	assert_int_equal(depot_get(last)->nr, STACK_MAX_DEPTH);
	uint32_t id = last;
	hits = 0;
	deep(1000);
	assert_int_equal(last, id);
	stack_set_depth(64);
	assert_int_equal(wrong, 0);
}

static void test_blind(void **state)
{
	(void)state;
	/* A call that is not on the stack as said: what the stack pointer alone gives. */
	uintptr_t here = (uintptr_t)__builtin_frame_address(0) - 64;
	uint32_t id = stack_capture_slow(&cache, (uintptr_t)test_blind + 4, here);
	const struct depot_stack *s = depot_get(id);
	assert_non_null(s);
	const struct module *m = module_by_id(s->frame[0].module);
	assert_non_null(m);
	assert_int_equal(m->bias + s->frame[0].offset, (uintptr_t)test_blind + 4);
}

/* A library that calls us from its constructor, before dlopen returns, and later. */
static const char guest[] = "#include <stdlib.h>\n"
			    "static int (*f)(void);\n"
			    "__attribute__((noinline)) int inner(void) { int r = f(); __asm__(\"\"); return r + 1; }\n"
			    "int outer(void) { int r = inner(); __asm__(\"\"); return r + 1; }\n"
			    "__attribute__((constructor)) static void begin(void)\n"
			    "{ f = (int (*)(void))strtoul(getenv(\"GUEST_CALLS\"), 0, 16); outer(); __asm__(\"\"); }\n";

static NOINLINE int called(void)
{
	hook();
	KEEP();
	return 1;
}

static unsigned frames_in(uint32_t stack, const char *name)
{
	const struct depot_stack *s = depot_get(stack);
	unsigned n = 0;
	for (unsigned i = 0; i < s->nr; i++) {
		const struct module *m = module_by_id(s->frame[i].module);
		n += m && strstr(m->path, name);
	}
	return n;
}

static void test_library(void **state)
{
	(void)state;
	char dir[] = "/tmp/snarl-stack-XXXXXX", command[200], path[64], number[32];
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/guest.c", dir);
	FILE *out = fopen(path, "w");
	assert_non_null(out);
	fputs(guest, out);
	fclose(out);
	snprintf(path, sizeof(path), "%s/guest.so", dir);
	snprintf(command, sizeof(command), "cc -shared -fPIC -O2 -fomit-frame-pointer -o %s %s/guest.c", path, dir);
	assert_int_equal(system(command), 0);
	snprintf(number, sizeof(number), "%lx", (uintptr_t)called);
	setenv("GUEST_CALLS", number, 1);
	module_set_lookup((module_lookup)dlsym(RTLD_DEFAULT, "_dl_find_object"));
	bool can_learn = dlsym(RTLD_DEFAULT, "_dl_find_object") != NULL;
	cache_begin();
	wrong = wrong_pc = 0;
	for (int turn = 0; turn < 3; turn++) {
		void *lib = dlopen(path, RTLD_NOW);
		assert_non_null(lib);
		if (can_learn) { /* inner, outer, begin */
			assert_int_equal(frames_in(last, "guest.so"), 3);
			assert_false(depot_get(last)->cut);
			assert_true(frames_in(last, "ld-linux") > 1);
		}
		uint32_t constructor = last;
		module_refresh();
		((int (*)(void))dlsym(lib, "outer"))();
		assert_int_equal(frames_in(last, "guest.so"), 2);
		assert_false(depot_get(last)->cut);
		uint32_t epoch = module_epoch(), count = module_count();
		dlclose(lib);
		assert_true(module_refresh());
		assert_int_not_equal(module_epoch(), epoch);
		assert_int_equal(module_count(), count);
		stack_cache_reset(&cache, cache.lo, cache.hi);
		called();
		assert_int_equal(frames_in(last, "guest.so"), 0);
		if (can_learn)
			assert_int_equal(frames_in(constructor, "guest.so"), 3);
	}
	assert_int_equal(wrong, 0);
	assert_int_equal(wrong_pc, 0);
	unlink(path);
	snprintf(path, sizeof(path), "%s/guest.c", dir);
	unlink(path);
	rmdir(dir);
}

static void *thread(void *arg)
{
	(void)arg;
	cache_begin();
	for (unsigned i = 0; i < 5000; i++) {
		caller_a();
		uint32_t a = last;
		caller_b();
		if (a == last)
			wrong++;
		deep(i % 20);
	}
	assert_false(depot_get(last)->cut);
	return NULL;
}

static void test_threads(void **state)
{
	(void)state;
	pthread_t t[4];
	wrong = wrong_pc = 0;
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, thread, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(wrong, 0);
	assert_int_equal(wrong_pc, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_callers), cmocka_unit_test(test_lean_hook), cmocka_unit_test(test_random),
		cmocka_unit_test(test_signal),      cmocka_unit_test(test_depth),     cmocka_unit_test(test_blind),
		cmocka_unit_test(test_library),     cmocka_unit_test(test_threads),
	};
	module_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
