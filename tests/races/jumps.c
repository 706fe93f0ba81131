/* setjmp and longjmp: out of guarded work, over several frames, and the accesses on either side. */
#include <setjmp.h>
#include <signal.h>

#include "race.h"

int data;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static __thread jmp_buf out;
static __thread sigjmp_buf sigout;

static void deep(int n);
static void (*volatile deeper)(int) = deep;

static void deep(int n)
{
	if (n == 0)
		longjmp(out, 1);
	deeper(n - 1);
	LOOK(n);
}

static void add_and_jump(void)
{
	pthread_mutex_lock(&m);
	if (setjmp(out) == 0) {
		data++;
		deep(10);
	}
	data++;
	pthread_mutex_unlock(&m);
}

static void jump_unlocked(void)
{
	if (setjmp(out) == 0)
		deep(3);
	data++; /* EXPECT: data-race in after_longjmp */
}

static void guarded(void) /* EXPECT: silence in guarded */
{
	in_turn3(add_and_jump, add_and_jump, add_and_jump);
	MUST(data == 6);
}

static void after_longjmp(void)
{
	in_turn(jump_unlocked, jump_unlocked);
}

static void leave_handler(int sig)
{
	(void)sig;
	siglongjmp(sigout, 1);
}

static void add_and_leave_handler(void)
{
	for (volatile int i = 0; i < 20; i++) {
		pthread_mutex_lock(&m);
		if (sigsetjmp(sigout, 1) == 0) {
			data++;
			raise(SIGUSR1);
		}
		data++;
		pthread_mutex_unlock(&m);
	}
}

static void out_of_a_handler(void) /* EXPECT: silence in out_of_a_handler */
{
	struct sigaction a;

	memset(&a, 0, sizeof(a));
	a.sa_handler = leave_handler;
	MUST(sigaction(SIGUSR1, &a, NULL) == 0);
	in_turn(add_and_leave_handler, add_and_leave_handler);
	MUST(data == 80);
}

static void race_after_handler(void)
{
	if (sigsetjmp(sigout, 1) == 0)
		raise(SIGUSR1);
	data++; /* EXPECT: data-race in after_siglongjmp */
}

static void after_siglongjmp(void)
{
	struct sigaction a;

	memset(&a, 0, sizeof(a));
	a.sa_handler = leave_handler;
	MUST(sigaction(SIGUSR1, &a, NULL) == 0);
	in_turn(race_after_handler, race_after_handler);
}

CASES(CASE(guarded), CASE(after_longjmp), CASE(out_of_a_handler), CASE(after_siglongjmp))
