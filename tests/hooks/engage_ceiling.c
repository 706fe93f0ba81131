/*
 * engage_ceiling.c - Mutexes with a priority ceiling, robust ones whose owner died: what glibc answers to a call
 * depends on the calls before it, failed ones included. Every short sequence, so that a wrapper's own tries would show.
 */
#include "show.h"

/* l lock, t trylock, u unlock, b lock with a bad limit, p with one that has passed, c with a clock that is none. */
static const char *const sequences[] = { "l", "t",  "lu",   "tu", "ll", "lt", "lut", "tt", "ltu", "llut",
					 "u", "uu", "lluu", "bu", "pu", "cu", "lb",  "lp", "lc",  "lcu" };

static int step(pthread_mutex_t *m, char what)
{
	struct timespec past = { 0, 0 }, bad = { 0, -1 };

	switch (what) {
	case 'l':
		return pthread_mutex_lock(m);
	case 't':
		return pthread_mutex_trylock(m);
	case 'b':
		return pthread_mutex_timedlock(m, &bad);
	case 'p':
		return pthread_mutex_timedlock(m, &past);
	case 'c':
		return pthread_mutex_clocklock(m, 77, &past);
	default:
		return pthread_mutex_unlock(m);
	}
}

static void *play(void *arg)
{
	const char *sequence = arg;
	pthread_mutexattr_t attr;
	pthread_mutex_t m;
	char name[64];

	pthread_mutexattr_init(&attr);
	OK(pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK));
	OK(pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_PROTECT));
	OK(pthread_mutexattr_setprioceiling(&attr, 10));
	OK(pthread_mutex_init(&m, &attr));
	for (int i = 0; sequence[i]; i++) {
		snprintf(name, sizeof(name), "ceiling, %s, step %d", sequence, i);
		SHOW_AS(name, step(&m, sequence[i]));
	}
	return NULL;
}

static void *die_with(void *arg)
{
	pthread_mutex_lock(arg);
	return NULL;
}

static void robust(int protocol, int type)
{
	pthread_mutexattr_t attr;
	pthread_mutex_t m;

	pthread_mutexattr_init(&attr);
	OK(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST));
	OK(pthread_mutexattr_settype(&attr, type));
	OK(pthread_mutexattr_setprotocol(&attr, protocol));
	OK(pthread_mutex_init(&m, &attr));
	finish(start_with(die_with, &m));
	SHOW(pthread_mutex_lock(&m));
	SHOW(pthread_mutex_consistent(&m));
	SHOW(pthread_mutex_unlock(&m));
	SHOW(pthread_mutex_trylock(&m));
	if (type != PTHREAD_MUTEX_NORMAL)
		SHOW(pthread_mutex_lock(&m));
	SHOW(pthread_mutex_unlock(&m));
	SHOW(pthread_mutex_unlock(&m));
	SHOW(pthread_mutex_unlock(&m));
	finish(start_with(die_with, &m));
	SHOW(pthread_mutex_lock(&m));
	SHOW(pthread_mutex_unlock(&m)); /* not made consistent: lost for good */
	SHOW(pthread_mutex_lock(&m));
	SHOW(pthread_mutex_trylock(&m));
	SHOW(pthread_mutex_destroy(&m));
}

int main(void)
{
	static const int types[] = { PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK };

	/* A thread each: its priority is part of what comes out. */
	for (unsigned i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++)
		finish(start_with(play, (void *)sequences[i]));
	for (int protocol = PTHREAD_PRIO_NONE; protocol <= PTHREAD_PRIO_INHERIT; protocol++)
		for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++)
			robust(protocol, types[i]);
	return 0;
}
