/* Mutexes of all types: guarded, half guarded, guarded by two different ones. */
#include <threads.h>

#include "race.h"

int data;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t m2 = PTHREAD_MUTEX_INITIALIZER;
static mtx_t c11;

static void add(void)
{
	data++; /* EXPECT: data-race in unguarded */
}

static void add_locked(void)
{
	pthread_mutex_lock(&m);
	data++; /* EXPECT: data-race in one_side, two_mutexes, read_outside */
	pthread_mutex_unlock(&m);
}

static void add_bare(void)
{
	data++; /* EXPECT: data-race in one_side */
}

static void add_locked2(void)
{
	pthread_mutex_lock(&m2);
	data++; /* EXPECT: data-race in two_mutexes */
	pthread_mutex_unlock(&m2);
}

static void read_after_unlock(void)
{
	pthread_mutex_lock(&m);
	pthread_mutex_unlock(&m);
	LOOK(data); /* EXPECT: data-race in read_outside */
}

static void add_after_unlock(void)
{
	pthread_mutex_lock(&m);
	pthread_mutex_unlock(&m);
	data++; /* EXPECT: data-race in write_after_unlock */
}

static void look_locked(void)
{
	pthread_mutex_lock(&m);
	LOOK(data); /* EXPECT: data-race in write_after_unlock */
	pthread_mutex_unlock(&m);
}

static void add_before_lock(void)
{
	data++;
	pthread_mutex_lock(&m);
	pthread_mutex_unlock(&m);
}

static void add_tried(void)
{
	OK(pthread_mutex_trylock(&m));
	data++;
	pthread_mutex_unlock(&m);
}

static void add_timed(void)
{
	struct timespec t = in_ms(CLOCK_REALTIME, 10000);

	OK(pthread_mutex_timedlock(&m, &t));
	data++;
	pthread_mutex_unlock(&m);
}

static void add_clock(void)
{
	struct timespec t = in_ms(CLOCK_MONOTONIC, 10000);

	OK(pthread_mutex_clocklock(&m, CLOCK_MONOTONIC, &t));
	data++;
	pthread_mutex_unlock(&m);
}

static void add_without_getting_it(void)
{
	MUST(pthread_mutex_trylock(&m) == EBUSY);
	data++; /* EXPECT: data-race in failed_trylock */
}

static void add_and_keep(void)
{
	pthread_mutex_lock(&m);
	data++; /* EXPECT: data-race in failed_trylock */
	step(0);
	await_step(1);
	pthread_mutex_unlock(&m);
}

static void *keeper(void *arg)
{
	add_and_keep();
	return arg;
}

static void *trier(void *arg)
{
	await_step(0);
	add_without_getting_it();
	step(1);
	return arg;
}

static void guarded(void) /* EXPECT: silence in guarded */
{
	in_turn(add_locked, add_locked);
}

static void unguarded(void)
{
	in_turn(add, add);
}

static void one_side(void)
{
	in_turn(add_locked, add_bare);
}

static void two_mutexes(void)
{
	in_turn(add_locked, add_locked2);
}

/* The reader has been through the lock before the writer wrote; the write comes after. */
static void read_outside(void)
{
	in_turn(read_after_unlock, add_locked);
}

static void write_after_unlock(void)
{
	in_turn(add_after_unlock, look_locked);
}

/* Everything before the unlock is there after the next lock, guarded or not. */
static void handover(void) /* EXPECT: silence in handover */
{
	in_turn(add_before_lock, look_locked);
}

static void trylock_guards(void) /* EXPECT: silence in trylock_guards */
{
	in_turn(add_locked, add_tried);
}

/* TSAN: cries in timedlock_guards: libtsan 12 does not know pthread_mutex_clocklock */
static void timedlock_guards(void) /* EXPECT: silence in timedlock_guards */
{
	in_turn3(add_timed, add_clock, add_timed);
}

static void failed_trylock(void)
{
	run_two(keeper, trier);
}

static void of_type(int type)
{
	pthread_mutexattr_t a;

	OK(pthread_mutexattr_init(&a));
	OK(pthread_mutexattr_settype(&a, type));
	OK(pthread_mutex_init(&m, &a));
	in_turn3(add_locked, add_locked, add_locked);
	OK(pthread_mutex_destroy(&m));
}

static void types(void) /* EXPECT: silence in types */
{
	of_type(PTHREAD_MUTEX_ERRORCHECK);
}

static void adaptive(void) /* EXPECT: silence in adaptive */
{
	of_type(PTHREAD_MUTEX_ADAPTIVE_NP);
}

/* The inner unlock of a recursive mutex gives nothing away, the outer one does. */
static void add_recursive(void)
{
	pthread_mutex_lock(&m);
	pthread_mutex_lock(&m);
	data++;
	pthread_mutex_unlock(&m);
	data++;
	pthread_mutex_unlock(&m);
}

static void recursive(void) /* EXPECT: silence in recursive */
{
	pthread_mutexattr_t a;

	OK(pthread_mutexattr_init(&a));
	OK(pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE));
	OK(pthread_mutex_init(&m, &a));
	in_turn(add_recursive, add_recursive);
}

static void add_and_die(void)
{
	pthread_mutex_lock(&m);
	data++;
}

static void *dying(void *arg)
{
	add_and_die();
	step(0);
	return arg;
}

static void *heir(void *arg)
{
	await_step(0);
	MUST(pthread_mutex_lock(&m) == EOWNERDEAD);
	data++;
	OK(pthread_mutex_consistent(&m));
	pthread_mutex_unlock(&m);
	return arg;
}

/* The owner ends with a robust mutex: who gets EOWNERDEAD comes after it. */
/* TSAN: cries in robust: it takes no order from the owner's death */
static void robust(void) /* EXPECT: silence in robust */
{
	pthread_mutexattr_t a;

	OK(pthread_mutexattr_init(&a));
	OK(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST));
	OK(pthread_mutex_init(&m, &a));
	run_two(dying, heir);
}

static void add_c11(void)
{
	mtx_lock(&c11);
	data++;
	mtx_unlock(&c11);
}

/* TSAN: cries in c11_mutex: libtsan does not know mtx_lock */
static void c11_mutex(void) /* EXPECT: silence in c11_mutex */
{
	mtx_init(&c11, mtx_plain);
	in_turn(add_c11, add_c11);
}

CASES(CASE(guarded), CASE(unguarded), CASE(one_side), CASE(two_mutexes), CASE(read_outside), CASE(write_after_unlock),
      CASE(handover), CASE(trylock_guards), CASE(timedlock_guards), CASE(failed_trylock), CASE(types), CASE(adaptive),
      CASE(recursive), CASE(robust), CASE(c11_mutex))
