/*
 * race.h - What the programs here share: cases by name, and order between threads that a race detector cannot see.
 *
 * Each program holds several cases; `PROGRAM CASE` runs one, `PROGRAM` alone prints their names. What has to come out
 *stands beside the lines (C++: the same comment):
 *
 *	... = ...;  / * EXPECT: data-race in CASE, CASE * /	the guilty line: it has to be in a report of that case
 *	static ...  / * EXPECT: silence in CASE, CASE * /	nothing may be reported
 *	... = ...;  / * MAY: data-race in CASE * /		a report may name this line as well
 *	... = ...;  / * HYBRID: unguarded-write in CASE * /	the same with races=hybrid, which finds that besides (data-race as well)
 *	/ * TSAN: cries in CASE: why * /, / * TSAN: misses CASE: why * /	where ThreadSanitizer is known to be wrong
 *	/ * SNARL: cries in CASE: why * /, / * SNARL: misses CASE: why * /	where snarl is; "at times cries in" if not each time
 *
 * Every racy case has its two accesses in the same order in each run, far apart in time and with nothing between them
 *that orders them: a detector that works by happens-before sees the race in every run, one that waits for a collision
 *in none.
 *
 * The order comes from eventfds used by inline `syscall` instructions. The gates of invisible.h will not do: they are
 *atomic instructions, and those are just what a race detector looks for.
 */
#ifndef TESTS_RACE_H
#define TESTS_RACE_H

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "basics.h"
#include "invisible.h"

#define RACE_STEPS 16 /* cases use 0 to 7, the helpers here the others */

static int race_step_fd[RACE_STEPS];

/* Step k is taken: everybody who waits for it goes on. */
static inline void step(int k)
{
	long one = 1;

	invisible_syscall6(SYS_write, race_step_fd[k], (long)&one, sizeof(one), 0, 0, 0);
}

/* Waits until step k has been taken at least once. */
static inline void await_step(int k)
{
	struct pollfd p;

	do {
		p.fd = race_step_fd[k];
		p.events = POLLIN;
		p.revents = 0;
		invisible_syscall6(SYS_poll, (long)&p, 1, -1, 0, 0, 0);
	} while (!(p.revents & POLLIN));
}

/* Waits until step k has been taken n times since this was last called for k; for one waiter. */
static inline void await_steps(int k, int n)
{
	while (n > 0) {
		long taken = 0;

		if (invisible_syscall6(SYS_read, race_step_fd[k], (long)&taken, sizeof(taken), 0, 0, 0) ==
		    sizeof(taken))
			n -= (int)taken;
	}
}

/* A read that the compiler has to make. */
#define LOOK(x) __asm__ volatile("" : : "r"(x))

/* Hides where a value comes from. */
#define HIDE(x) __asm__ volatile("" : "+r"(x))

/* ---- threads in turn ---- */

struct race_turn {
	void (*f)(void);
	int await; /* step to wait for first, or -1 */
	int take;  /* step to take then */
};

static inline void *race_turn_run(void *arg)
{
	struct race_turn t = *(struct race_turn *)arg;

	if (t.await >= 0)
		await_step(t.await);
	t.f();
	step(t.take);
	await_step(15); /* nobody ends before all have had their turn */
	return NULL;
}

/* f, then g, then h (if any), each in a thread of its own; created before the first one runs, joined after the last. */
static inline void in_turn3(void (*f)(void), void (*g)(void), void (*h)(void))
{
	struct race_turn turn[3] = { { f, -1, 13 }, { g, 13, h ? 14 : 15 }, { h, 14, 15 } };
	pthread_t t[3];
	int n = h ? 3 : 2;

	/* The last one first: no detector can take a creation for the order. */
	for (int i = n - 1; i >= 0; i--)
		t[i] = start_with(race_turn_run, &turn[i]);
	for (int i = 0; i < n; i++)
		finish(t[i]);
}

static inline void in_turn(void (*f)(void), void (*g)(void))
{
	in_turn3(f, g, NULL);
}

/* ---- cases ---- */

struct race_case {
	const char *name;
	void (*run)(void);
};

#define CASE(f)       \
	{             \
#f, f \
	}
#define CASES(...)                                                                                                 \
	static const struct race_case race_cases[] = { __VA_ARGS__ };                                              \
	int main(int argc, char **argv)                                                                            \
	{                                                                                                          \
		return race_main(race_cases, sizeof(race_cases) / sizeof(*race_cases), argc > 1 ? argv[1] : NULL); \
	}

static inline int race_main(const struct race_case *c, size_t n, const char *name)
{
	for (int k = 0; k < RACE_STEPS; k++) {
		long fd = invisible_syscall6(SYS_eventfd2, 0, EFD_CLOEXEC, 0, 0, 0, 0);

		MUST(fd >= 0);
		race_step_fd[k] = (int)fd;
	}
	for (size_t i = 0; i < n; i++) {
		if (!name) {
			puts(c[i].name);
		} else if (strcmp(name, c[i].name) == 0) {
			c[i].run();
			return 0;
		}
	}
	if (name)
		fprintf(stderr, "no case %s\n", name);
	return name ? TEST_BROKEN : 0;
}

#endif
