/* Spin locks: pthread's, and homemade ones of every make. */
#include <sched.h>
#include <stdatomic.h>

#include "race.h"

int data;
static pthread_spinlock_t spin;
static atomic_flag flag = ATOMIC_FLAG_INIT;
static atomic_int word;
static atomic_int next_ticket, now_serving;

static void add_spin(void)
{
	pthread_spin_lock(&spin);
	data++;
	pthread_spin_unlock(&spin);
}

static void try_spin(void)
{
	OK(pthread_spin_trylock(&spin));
	data++;
	pthread_spin_unlock(&spin);
}

static void add_flag(void)
{
	while (atomic_flag_test_and_set_explicit(&flag, memory_order_acquire))
		;
	data++;
	atomic_flag_clear_explicit(&flag, memory_order_release);
}

/* Test and test and set, by compare and exchange. */
static void add_word(void)
{
	int was;

	do {
		while (atomic_load_explicit(&word, memory_order_relaxed))
			;
		was = 0;
	} while (!atomic_compare_exchange_weak_explicit(&word, &was, 1, memory_order_acquire, memory_order_relaxed));
	data++;
	atomic_store_explicit(&word, 0, memory_order_release);
}

static void add_ticket(void)
{
	int mine = atomic_fetch_add_explicit(&next_ticket, 1, memory_order_relaxed);

	while (atomic_load_explicit(&now_serving, memory_order_acquire) != mine)
		;
	data++;
	atomic_store_explicit(&now_serving, mine + 1, memory_order_release);
}

static void pthread_spin(void) /* EXPECT: silence in pthread_spin */
{
	OK(pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE));
	in_turn3(add_spin, try_spin, add_spin);
	OK(pthread_spin_destroy(&spin));
}

static void test_and_set(void) /* EXPECT: silence in test_and_set */
{
	in_turn3(add_flag, add_flag, add_flag);
}

static void compare_and_exchange(void) /* EXPECT: silence in compare_and_exchange */
{
	in_turn3(add_word, add_word, add_word);
}

static void ticket(void) /* EXPECT: silence in ticket */
{
	in_turn3(add_ticket, add_ticket, add_ticket);
}

int own[3];

/* At the same time, for once. */
static void *contend(void *arg)
{
	for (int i = 0; i < 1000; i++) {
		while (atomic_flag_test_and_set_explicit(&flag, memory_order_acquire))
			sched_yield();
		own[0]++;
		atomic_flag_clear_explicit(&flag, memory_order_release);
		while (atomic_exchange_explicit(&word, 1, memory_order_acquire))
			sched_yield();
		own[1]++;
		atomic_store_explicit(&word, 0, memory_order_release);
		pthread_spin_lock(&spin);
		own[2]++;
		pthread_spin_unlock(&spin);
	}
	return arg;
}

static void contended(void) /* EXPECT: silence in contended */
{
	OK(pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE));
	run_two(contend, contend);
	MUST(own[0] == 2000 && own[1] == 2000 && own[2] == 2000);
}

volatile int locked_plainly;

/* No atomic in it: a lock in name only. */
static void add_plainly(void)
{
	while (locked_plainly) /* EXPECT: data-race in plain */
		;
	locked_plainly = 1; /* MAY: data-race in plain */
	data++;             /* MAY: data-race in plain */
	locked_plainly = 0; /* MAY: data-race in plain */
}

static void plain(void)
{
	in_turn(add_plainly, add_plainly);
}

CASES(CASE(pthread_spin), CASE(test_and_set), CASE(compare_and_exchange), CASE(ticket), CASE(contended), CASE(plain))
