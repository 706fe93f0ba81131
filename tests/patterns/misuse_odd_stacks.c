/* EXPECT: unlock-not-held:confirmed */
/*
 * Locks taken on stacks of every kind: deep, grown by alloca, left by longjmp, of coroutines, with rubbish for a frame pointer, small
 * ones in a thousand threads under a rain of signals. Nothing is wrong with the order, and the one mistake at the end is seen.
 */
#include "basics.h"
#include <alloca.h>
#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>

#define THREADS 1000

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER, b = PTHREAD_MUTEX_INITIALIZER, c = PTHREAD_MUTEX_INITIALIZER;
static jmp_buf back;
static ucontext_t here, there;

static void take_both(void)
{
	pthread_mutex_lock(&a);
	pthread_mutex_lock(&b);
	pthread_mutex_unlock(&b);
	pthread_mutex_unlock(&a);
}

static __attribute__((noinline)) int deep(int n)
{
	volatile char frame[100];

	frame[0] = (char)n;
	if (n == 0)
		take_both();
	return n ? deep(n - 1) + frame[0] : 0;
}

static __attribute__((noinline)) void wide(size_t n)
{
	memset(alloca(n), 0xff, n);
	take_both();
}

static __attribute__((noinline)) void jump(int n)
{
	char frame[1000];

	memset(frame, n, sizeof(frame));
	take_both();
	longjmp(back, 1);
}

static __attribute__((noinline)) void jumped(int n)
{
	if (setjmp(back) == 0)
		jump(n);
}

/* A jump where the compiler makes one of it. */
static __attribute__((noinline)) int lock_last(void)
{
	return pthread_mutex_lock(&a);
}

static __attribute__((noinline)) int unlock_last(void)
{
	return pthread_mutex_unlock(&a);
}

static void coroutine(void)
{
	for (;;) {
		take_both();
		swapcontext(&there, &here);
	}
}

/* As code does that uses the register for something else. */
static __attribute__((noinline)) void no_frame_pointer(void)
{
	void (*call)(void) = take_both;

	__asm__ volatile("mov %%rsp, %%rbx\n\t"
			 "mov %%rbp, %%r12\n\t"
			 "sub $128, %%rsp\n\t"
			 "and $-16, %%rsp\n\t"
			 "mov $0x123456789, %%rbp\n\t"
			 "call *%0\n\t"
			 "mov %%r12, %%rbp\n\t"
			 "mov %%rbx, %%rsp"
			 : "+a"(call)
			 :
			 : "memory", "cc", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12");
}

static void nothing(int sig)
{
	(void)sig;
}

static void *work(void *arg)
{
	for (int i = 0; i < 20; i++)
		take_both();
	return arg;
}

int main(void)
{
	static pthread_t t[THREADS];
	char *stack = malloc(32768);
	pthread_attr_t attr;

	for (int i = 0; i < 50; i++) {
		deep(i * 100);
		wide((size_t)i * 997 + 1);
		jumped(i);
		lock_last();
		unlock_last();
	}
	deep(30000);
	no_frame_pointer();

	MUST(stack && getcontext(&there) == 0);
	there.uc_stack.ss_sp = stack;
	there.uc_stack.ss_size = 32768;
	makecontext(&there, coroutine, 0);
	for (int i = 0; i < 1000; i++)
		MUST(swapcontext(&here, &there) == 0);

	MUST(signal(SIGUSR1, nothing) != SIG_ERR);
	pthread_attr_init(&attr);
	OK(pthread_attr_setstacksize(&attr, 65536));
	for (int i = 0; i < THREADS; i++)
		OK(pthread_create(&t[i], &attr, work, NULL));
	for (int i = 0; i < 3 * THREADS; i++)
		pthread_kill(t[i % THREADS], SIGUSR1);
	for (int i = 0; i < THREADS; i++)
		finish(t[i]);
	pthread_mutex_unlock(&c); // EXPECT unlock-not-held
	return 0;
}
