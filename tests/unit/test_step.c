/* test_step.c - Our unwinder against glibc's and libunwind's on frames of many shapes. */
#include <alloca.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <cmocka.h>
#include "core/module.h"
#include "core/step.h"
#define MAX      400
#define NOINLINE __attribute__((noinline))
/* A call in the middle, so that the frame of the caller stays. */
#define KEEP() __asm__ volatile("" ::: "memory")

static struct step_frame ours[MAX];
static void *glibcs[MAX], *libunwinds[MAX];
static unsigned nr_ours, nr_glibc, nr_libunwind;
static unsigned nr_seen; /* frames of the last agreement */
static enum step_end our_end;
static bool slots_ok = true;
static int (*unwinder)(void **, int);
static uintptr_t stack_lo, stack_hi;

/* The three answers from the same place. */
static NOINLINE void look(void)
{
	struct step_regs regs;
	STEP_HERE(&regs);
	nr_ours = step_walk(&regs, stack_lo, stack_hi, ours, MAX, &our_end);
	for (unsigned i = 1; i < nr_ours; i++) /* while the frames are still there */
		slots_ok &= ours[i].slot != 0 && *(uintptr_t *)ours[i].slot == ours[i].pc;
	nr_glibc = (unsigned)backtrace(glibcs, MAX);
	nr_libunwind = unwinder ? (unsigned)unwinder(libunwinds, MAX) : 0;
	/* A sanitizer puts itself in front of backtrace. */
	while (nr_glibc > 1 && nr_ours > 1 && (uintptr_t)glibcs[1] != ours[1].pc && (uintptr_t)glibcs[2] == ours[1].pc)
		memmove(glibcs, glibcs + 1, --nr_glibc * sizeof(glibcs[0]));
	KEEP();
}

static void print_all(void)
{
	for (unsigned i = 0; i < 24 && (i < nr_ours || i < nr_glibc || i < nr_libunwind); i++)
		printf("# %2u ours %14lx%s glibc %14lx libunwind %14lx\n", i, i < nr_ours ? ours[i].pc : 0,
		       i < nr_ours && ours[i].exact ? "!" : " ", i < nr_glibc ? (uintptr_t)glibcs[i] : 0,
		       i < nr_libunwind ? (uintptr_t)libunwinds[i] : 0);
}

static bool same_as(void *const *other, unsigned nr)
{
	unsigned n = nr_ours;
	/* A bottom of 0 is a frame to some. */
	while (nr > 0 && other[nr - 1] == NULL)
		nr--;
	if (nr != n)
		return false;
	for (unsigned i = 1; i < n; i++) /* frame 0: each stands at its own instruction */
		if (ours[i].pc != (uintptr_t)other[i])
			return false;
	return true;
}

static void expect_agreement(bool libunwind_too)
{
	bool ok = our_end == STEP_BOTTOM && slots_ok && same_as(glibcs, nr_glibc);
	if (libunwind_too && unwinder)
		ok = ok && same_as(libunwinds, nr_libunwind);
	if (!ok) {
		printf("# end %d\n", our_end);
		print_all();
	}
	slots_ok = true;
	nr_seen = nr_ours;
	assert_true(ok);
}

static NOINLINE int plain(int x)
{
	look();
	KEEP();
	return x + 1;
}

static void test_plain(void **state)
{
	(void)state;
	for (int again = 0; again < 2; again++) { /* the second time by cached rules */
		plain(1);
		expect_agreement(true);
	}
	assert_true(nr_seen >= 5);
	for (unsigned i = 1; i < nr_ours; i++) {
		assert_true(ours[i].slot >= stack_lo && ours[i].slot < stack_hi);
		assert_false(i > 1 && ours[i].loose); /* our own rbp is in the register */
		assert_false(ours[i].exact);
	}
}

static NOINLINE unsigned deep(unsigned n)
{
	if (n == 0)
		look();
	else
		n += deep(n - 1);
	KEEP();
	return n;
}

static void test_recursion(void **state)
{
	(void)state;
	deep(100);
	expect_agreement(true);
	assert_true(nr_seen > 100);
	deep(MAX + 10);
	assert_int_equal(our_end, STEP_FULL);
	assert_int_equal(nr_ours, MAX);
}

static NOINLINE void by_alloca(size_t n, int more)
{
	char *p = alloca(n);
	memset(p, 0x55, n);
	if (more)
		by_alloca(n * 2 + 1, more - 1);
	else
		look();
	KEEP();
}

static NOINLINE void realigned(int n)
{
	int vector[16] __attribute__((aligned(64)));
	memset(vector, n, sizeof(vector));
	__asm__ volatile("" ::"r"(vector) : "memory");
	if (n)
		realigned(n - 1);
	else
		look();
	KEEP();
}

/* Arguments on the stack, alloca and realignment: gcc finds its arguments through a dynamic argument pointer. */
static NOINLINE long drap(size_t n, long a, long b, long c, long d, long e, long f, long g, ...)
{
	long vector[8] __attribute__((aligned(64)));
	char *p = alloca(n);
	va_list ap;
	memset(p, 1, n);
	va_start(ap, g);
	vector[0] = va_arg(ap, long);
	va_end(ap);
	__asm__ volatile("" ::"r"(vector), "r"(p) : "memory");
	if (n > 10)
		vector[0] += drap(n / 2, a, b, c, d, e, f, g, 5L);
	else
		look();
	KEEP();
	return vector[0] + a + b + c + d + e + f + g;
}

static void test_odd_frames(void **state)
{
	(void)state;
	for (int again = 0; again < 2; again++) {
		by_alloca(100, 0);
		expect_agreement(true);
		by_alloca(1, 9);
		expect_agreement(true);
		realigned(0);
		expect_agreement(true);
		realigned(7);
		expect_agreement(true);
		assert_int_equal(drap(100, 1, 2, 3, 4, 5, 6, 7, 8L), 5 * 28 + 4 * 5 + 8);
		expect_agreement(true);
	}
}

static int by_callback(const void *a, const void *b)
{
	static int once;
	if (!once++)
		look();
	if (once == 5)
		once = 0;
	return *(const int *)a - *(const int *)b;
}

static void once_callback(void)
{
	look();
}

static void test_through_libc(void **state)
{
	(void)state;
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int v[] = { 5, 4, 3, 2, 1 };
	qsort(v, 5, sizeof(v[0]), by_callback);
	expect_agreement(true);
	pthread_once(&once, once_callback);
	expect_agreement(true);
}

static NOINLINE int tail(int n)
{
	return plain(n + 1);
}

/* The call is the last instruction: the return address belongs to the next function, if to any. */
static jmp_buf away;
static NOINLINE _Noreturn void leave(void)
{
	look();
	longjmp(away, 1);
}
static NOINLINE _Noreturn void ends_in_call(void)
{
	leave();
}

static void test_calls(void **state)
{
	(void)state;
	tail(1);
	expect_agreement(true);
	if (setjmp(away) == 0)
		ends_in_call();
	expect_agreement(true);
}

static void *thread(void *arg)
{
	(void)arg;
	plain(1);
	return NULL;
}

static void test_thread(void **state)
{
	(void)state;
	pthread_t t;
	pthread_create(&t, NULL, thread, NULL);
	pthread_join(t, NULL);
	/* Its stack is not the known one: every page was probed. */
	expect_agreement(true);
	assert_true(nr_seen >= 4);
}

static ucontext_t back, coroutine;
static void in_coroutine(void)
{
	deep(30);
	swapcontext(&coroutine, &back);
}

static void test_coroutine(void **state)
{
	(void)state;
	static char stack[65536];
	getcontext(&coroutine);
	coroutine.uc_stack.ss_sp = stack;
	coroutine.uc_stack.ss_size = sizeof(stack);
	coroutine.uc_link = NULL;
	makecontext(&coroutine, in_coroutine, 0);
	swapcontext(&back, &coroutine);
	assert_int_equal(our_end, STEP_BOTTOM);
	assert_true(nr_ours >= 33);
	for (unsigned i = 1; i < 33; i++)
		assert_int_equal(ours[i].pc, (uintptr_t)glibcs[i]);
}

static void handler(__attribute__((unused)) int sig)
{
	look();
}

static NOINLINE void interrupt(int flags)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = flags };
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	KEEP();
}

static void test_signal(void **state)
{
	(void)state;
	static char stack[65536];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	for (int again = 0; again < 2; again++) {
		interrupt(0);
		expect_agreement(true);
		assert_true(nr_seen > 7);
	}
	sigaltstack(&ss, NULL);
	for (int again = 0; again < 2; again++) {
		interrupt(SA_ONSTACK);
		expect_agreement(true);
		assert_true(nr_seen > 7);
	}
	unsigned exact = 0;
	for (unsigned i = 1; i < nr_ours; i++)
		exact += ours[i].exact;
	assert_int_equal(exact, 1);
	ss.ss_flags = SS_DISABLE;
	sigaltstack(&ss, NULL);
}

/* Assembly: CFA on rbx (which cached rules do not follow), no CFI at all but a frame pointer, and nothing at all. */
void on_rbx(void (*f)(void));
void no_cfi(void (*f)(void));
void no_frame(void (*f)(void));
__asm__(".text\n"
	".globl on_rbx, no_cfi, no_frame\n"
	".type on_rbx, @function\n"
	"on_rbx:\n"
	".cfi_startproc\n"
	"	push %rbx\n"
	".cfi_def_cfa_offset 16\n"
	".cfi_offset rbx, -16\n"
	"	mov %rsp, %rbx\n"
	".cfi_def_cfa_register rbx\n"
	"	sub $72, %rsp\n"
	"	and $-64, %rsp\n"
	"	call *%rdi\n"
	"	mov %rbx, %rsp\n"
	".cfi_def_cfa_register rsp\n"
	"	pop %rbx\n"
	".cfi_def_cfa_offset 8\n"
	"	ret\n"
	".cfi_endproc\n"
	".type no_cfi, @function\n"
	"no_cfi:\n"
	"	push %rbp\n"
	"	mov %rsp, %rbp\n"
	"	sub $32, %rsp\n"
	"	call *%rdi\n"
	"	leave\n"
	"	ret\n"
	".type no_frame, @function\n"
	"no_frame:\n"
	"	push %rbp\n"
	"	mov $12345, %rbp\n"
	"	call *%rdi\n"
	"	pop %rbp\n"
	"	ret\n"
	".zero 64\n");

static NOINLINE void look_plain(void)
{
	plain(1);
	KEEP();
}

static void test_assembly(void **state)
{
	(void)state;
	on_rbx(look_plain);
	expect_agreement(false); /* libunwind's fast walk takes no CFA on rbx */
	on_rbx(look_plain);
	expect_agreement(false);
	plain(1);
	unsigned plainly = nr_ours;
	no_cfi(look_plain);
	assert_int_equal(our_end, STEP_BOTTOM);
	assert_int_equal(nr_ours, plainly + 2);
	no_frame(look_plain);
	assert_int_equal(our_end, STEP_CUT);
	assert_int_equal(nr_ours, 4); /* look, plain, look_plain, no_frame */
}

/* A call of nowhere, and a fault in a leaf that has neither frame nor CFI. */
void leaf_fault(void);
__asm__(".type leaf_fault, @function\nleaf_fault: mov 0, %rax\n ret\n .zero 64\n");
static sigjmp_buf out_of_fault;
static void fault_handler(int sig)
{
	(void)sig;
	look();
	siglongjmp(out_of_fault, 1);
}

static NOINLINE void faulting(void (*f)(void))
{
	f();
	KEEP();
}

static void test_fault(void **state)
{
	(void)state;
	struct sigaction sa = { .sa_handler = fault_handler }, old;
	void (*volatile nowhere)(void) = NULL;
	sigaction(SIGSEGV, &sa, &old);
	if (sigsetjmp(out_of_fault, 1) == 0)
		faulting(nowhere);
	assert_int_equal(our_end, STEP_BOTTOM);
	assert_true(nr_ours > 7);
	assert_true(ours[3].exact && ours[3].pc == 0);
	if (sigsetjmp(out_of_fault, 1) == 0)
		faulting(leaf_fault);
	assert_int_equal(our_end, STEP_BOTTOM);
	assert_true(ours[3].exact && ours[3].pc == (uintptr_t)leaf_fault);
	assert_true(ours[4].pc > (uintptr_t)faulting && ours[4].pc < (uintptr_t)faulting + 64);
	sigaction(SIGSEGV, &old, NULL);
}

/* Every instruction of some work that goes through prologues, epilogues, the PLT and the lazy binder. */
static unsigned steps, disagreements;
static void step_handler(int sig)
{
	int (*keep)(void **, int) = unwinder;
	(void)sig;
	unwinder = NULL; /* it may allocate, and malloc is what we interrupt */
	look();
	unwinder = keep;
	steps++;
	/* Frames 0..2: look, this, the trampoline; 3 the interrupted. */
	bool ok = our_end == STEP_BOTTOM && same_as(glibcs, nr_glibc);
	if (!ok && disagreements++ < 3)
		print_all();
}

void trap_on(void);
void trap_off(void);
#define TRAP(name, insn)                                                                  \
	__asm__(".globl " name "\n.type " name ", @function\n" name ":\n.cfi_startproc\n" \
		"	pushf\n.cfi_def_cfa_offset 16\n	" insn                            \
		"\n	popf\n.cfi_def_cfa_offset 8\n	ret\n.cfi_endproc\n")
TRAP("trap_on", "orl $0x100, (%rsp)");
TRAP("trap_off", "andl $~0x100, (%rsp)");

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* No realigned frame among them: gcc 12's rules are wrong in the epilogue of one, where glibc's backtrace then faults.
 */
static NOINLINE long work(int n)
{
	int v[] = { 9, 8, 7, 6, 5, 4, 3 };
	char text[64], *end;
	qsort(v, 7, sizeof(v[0]), compare);
	snprintf(text, sizeof(text), "%d %s %g", v[0], "abc", 1.5);
	return strtol(text, &end, 0) + (n ? work(n - 1) : 0) + (long)strlen(end);
}

static void test_every_instruction(void **state)
{
	(void)state;
	struct sigaction sa = { .sa_handler = step_handler }, old;
	sigaction(SIGTRAP, &sa, &old);
	trap_on();
	long r = work(2);
	free(malloc(100));
	trap_off();
	sigaction(SIGTRAP, &old, NULL);
	assert_true(r > 0);
	printf("# %u instructions, %u disagreements\n", steps, disagreements);
	assert_true(steps > 1000);
	assert_int_equal(disagreements, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_recursion),
		cmocka_unit_test(test_odd_frames),
		cmocka_unit_test(test_through_libc),
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_thread),
		cmocka_unit_test(test_coroutine),
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_assembly),
		cmocka_unit_test(test_fault),
		cmocka_unit_test(test_every_instruction),
	};
	pthread_attr_t attr;
	void *addr;
	size_t size;
	void *lib = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
	if (lib)
		unwinder = (int (*)(void **, int))dlsym(lib, "unw_backtrace");
	pthread_getattr_np(pthread_self(), &attr);
	pthread_attr_getstack(&attr, &addr, &size);
	pthread_attr_destroy(&attr);
	stack_lo = (uintptr_t)addr;
	stack_hi = stack_lo + size;
	module_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
