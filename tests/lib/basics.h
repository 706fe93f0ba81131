/*
 * basics.h - What every small test program needs: start a thread, join it, insist that a call succeeds.
 */
#ifndef TESTS_BASICS_H
#define TESTS_BASICS_H

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TEST_BROKEN 99 /* exit status: the program itself is at fault, not what it tests */

/* For calls that return an error number. */
#define OK(call)                                                                                          \
	do {                                                                                              \
		int ok_err_ = (call);                                                                     \
		if (ok_err_) {                                                                            \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, strerror(ok_err_)); \
			exit(TEST_BROKEN);                                                                \
		}                                                                                         \
	} while (0)

/* For anything that has to be true. */
#define MUST(what)                                                                                           \
	do {                                                                                                 \
		if (!(what)) {                                                                               \
			fprintf(stderr, "%s:%d: not so: %s (errno %d)\n", __FILE__, __LINE__, #what, errno); \
			exit(TEST_BROKEN);                                                                   \
		}                                                                                            \
	} while (0)

static inline pthread_t start_with(void *(*f)(void *), void *arg)
{
	pthread_t t;

	OK(pthread_create(&t, NULL, f, arg));
	return t;
}

static inline pthread_t start(void *(*f)(void *))
{
	return start_with(f, NULL);
}

static inline void finish(pthread_t t)
{
	OK(pthread_join(t, NULL));
}

/* Both are created before either is joined: neither create nor join orders one against the other. */
static inline void run_two(void *(*f)(void *), void *(*g)(void *))
{
	pthread_t a = start(f), b = start(g);

	finish(a);
	finish(b);
}

/* An absolute time of that clock, in `ms` milliseconds; negative is in the past. */
static inline struct timespec in_ms(clockid_t clock, long ms)
{
	struct timespec t;
	long ns;

	clock_gettime(clock, &t);
	ns = t.tv_nsec + ms % 1000 * 1000000 + 1000000000; /* at least 0 */
	t.tv_sec += ms / 1000 + ns / 1000000000 - 1;
	t.tv_nsec = ns % 1000000000;
	return t;
}

#endif
