/* EXPECT: lock-order:possible [stall:advice] */
/*
 * A wait for a lock is given up by siglongjmp out of a handler. What the thread was published to wait for it does not wait for any
 * more: a ring through it is none. (The two orders are real, and are told.)
 */
#include "basics.h"
#include "invisible.h"
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>

static sigjmp_buf give_up;
static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER, b = PTHREAD_MUTEX_INITIALIZER;
static struct gate b_held, gone_on, asks;
static pthread_t first;
static int signals;

static void jump(int sig)
{
	(void)sig;
	signals++;
	siglongjmp(give_up, 1);
}

static void *b_then_a(void *arg)
{
	pthread_mutex_lock(&b);
	gate_open(&b_held);
	invisible_sleep_ms(100); /* the other one lies down */
	pthread_kill(first, SIGUSR1);
	gate_wait(&gone_on);
	gate_open(&asks);
	pthread_mutex_lock(&a); // EXPECT lock-order
	pthread_mutex_unlock(&a);
	pthread_mutex_unlock(&b);
	return arg;
}

int main(void)
{
	pthread_t t;

	first = pthread_self();
	MUST(signal(SIGUSR1, jump) != SIG_ERR);
	t = start(b_then_a);
	gate_wait(&b_held);
	pthread_mutex_lock(&a);
	if (sigsetjmp(give_up, 1) == 0) {
		pthread_mutex_lock(&b); // EXPECT lock-order
		MUST(!"it is held");
	}
	MUST(signals == 1);
	gate_open(&gone_on);
	/* Once in a futex call that is none of the lock's, and once at work. */
	gate_wait(&asks);
	for (int i = 0; i < 10; i++) {
		int word = 0;
		struct timespec while_asleep = { 0, 50000000 };

		invisible_syscall6(SYS_futex, (long)&word, FUTEX_WAIT, 0, (long)&while_asleep, 0, 0);
	}
	pthread_mutex_unlock(&a);
	finish(t);
	return 0;
}
