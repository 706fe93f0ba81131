/* TSAN: none: it has no idea of ucontext fibers unless it is told */
/* Fibers by makecontext, on stacks of 16 KB: within one thread, going from thread to thread, and racing. */
#include <ucontext.h>

#include "race.h"

#define FIBERS 3
#define STACK  16384

int data;
int counts[FIBERS];
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

struct fiber {
	ucontext_t here, back;
	char stack[STACK] __attribute__((aligned(64)));
	void (*f)(struct fiber *);
	int number;
	int over;
};

static void begin(unsigned hi, unsigned lo)
{
	struct fiber *f = (struct fiber *)((unsigned long)hi << 32 | lo);

	f->f(f);
	f->over = 1;
	swapcontext(&f->here, &f->back);
}

static struct fiber *new_fiber(void (*f)(struct fiber *), int number)
{
	struct fiber *fiber = (struct fiber *)calloc(1, sizeof(*fiber));
	unsigned long p = (unsigned long)fiber;

	fiber->f = f;
	fiber->number = number;
	MUST(getcontext(&fiber->here) == 0);
	fiber->here.uc_stack.ss_sp = fiber->stack;
	fiber->here.uc_stack.ss_size = STACK;
	makecontext(&fiber->here, (void (*)(void))begin, 2, (unsigned)(p >> 32), (unsigned)p);
	return fiber;
}

static void yield(struct fiber *f)
{
	swapcontext(&f->here, &f->back);
}

static void resume(struct fiber *f)
{
	swapcontext(&f->back, &f->here);
}

static void count(struct fiber *f)
{
	for (int i = 0; i < 10; i++) {
		data++;
		counts[f->number]++;
		yield(f);
	}
}

/* All share data, one at a time: one thread cannot race with itself. */
static void one_thread(void) /* EXPECT: silence in one_thread */
{
	struct fiber *f[FIBERS];
	int running = FIBERS;

	for (int i = 0; i < FIBERS; i++)
		f[i] = new_fiber(count, i);
	while (running) {
		running = 0;
		for (int i = 0; i < FIBERS; i++) {
			if (!f[i]->over)
				resume(f[i]);
			running += !f[i]->over;
		}
	}
	MUST(data == 10 * FIBERS);
	for (int i = 0; i < FIBERS; i++)
		free(f[i]);
}

static struct fiber *traveller;

static void *carry(void *arg)
{
	for (;;) {
		pthread_mutex_lock(&m);
		if (traveller->over) {
			pthread_mutex_unlock(&m);
			return arg;
		}
		resume(traveller);
		pthread_mutex_unlock(&m);
	}
}

/* Goes from one thread to the other, always under the mutex: its stack and its data are in order. */
static void migrating(void) /* EXPECT: silence in migrating */
{
	traveller = new_fiber(count, 0);
	run_two(carry, carry);
	MUST(data == 10);
	free(traveller);
}

static void run_fiber(void (*f)(struct fiber *))
{
	struct fiber *fiber = new_fiber(f, 0);

	while (!fiber->over)
		resume(fiber);
	free(fiber);
}

static void write_in_fiber(struct fiber *f)
{
	yield(f);
	data = f->number + 1; /* EXPECT: data-race in two_threads */
}

static void writing_thread(void)
{
	run_fiber(write_in_fiber);
}

static void two_threads(void)
{
	in_turn(writing_thread, writing_thread);
}

CASES(CASE(one_thread), CASE(migrating), CASE(two_threads))
