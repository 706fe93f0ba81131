/* Thread-local storage: one's own, lent to another, and handed down to a new thread with the memory. */
#include "race.h"

static __thread int own;
static __thread char big[5000];
static int *lent;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t key;
int data;

static void add_own(void)
{
	own++;
	big[sizeof(big) / 2] = 1;
	MUST(own == 1);
}

static void lend(void)
{
	lent = &own;
	pthread_mutex_lock(&m);
	pthread_mutex_unlock(&m);
	own = 1; /* EXPECT: data-race in lent_out */
}

static void borrow(void)
{
	int *p;

	pthread_mutex_lock(&m);
	p = lent;
	pthread_mutex_unlock(&m);
	*p = 2; /* EXPECT: data-race in lent_out */
}

static void lend_locked(void)
{
	pthread_mutex_lock(&m);
	lent = &own;
	own = 1;
	pthread_mutex_unlock(&m);
}

static void borrow_locked(void)
{
	pthread_mutex_lock(&m);
	*lent = 2;
	pthread_mutex_unlock(&m);
}

static void everybody_has_one(void) /* EXPECT: silence in everybody_has_one */
{
	in_turn3(add_own, add_own, add_own);
}

static void lent_out(void)
{
	in_turn(lend, borrow);
}

static void lent_locked(void) /* EXPECT: silence in lent_locked */
{
	in_turn(lend_locked, borrow_locked);
}

static void *add_own_and_end(void *arg)
{
	add_own();
	step(0);
	return arg;
}

/* Nobody joins; the next thread gets the memory with the stack. */
static void handed_down(void) /* EXPECT: silence in handed_down */
{
	for (int i = 0; i < 50; i++) {
		OK(pthread_detach(start(add_own_and_end)));
		await_steps(0, 1);
	}
}

static void destroy(void *value)
{
	*(int *)value += 1;
	data++;
}

static void *set_key(void *arg)
{
	OK(pthread_setspecific(key, arg));
	return NULL;
}

/* A destructor runs before the join returns. */
static void destructor(void) /* EXPECT: silence in destructor */
{
	static int value;

	OK(pthread_key_create(&key, destroy));
	finish(start_with(set_key, &value));
	MUST(value == 1 && data == 1);
	data = value = 2;
}

static void racing_destroy(void *value)
{
	*(int *)value += 1; /* EXPECT: data-race in destructor_races */
	step(0);
}

static void destructor_races(void)
{
	static int value;
	pthread_t t;

	OK(pthread_key_create(&key, racing_destroy));
	t = start_with(set_key, &value);
	await_step(0);
	value = 5; /* EXPECT: data-race in destructor_races */
	finish(t);
}

CASES(CASE(everybody_has_one), CASE(lent_out), CASE(lent_locked), CASE(handed_down), CASE(destructor),
      CASE(destructor_races))
