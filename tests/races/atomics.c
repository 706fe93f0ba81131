/* C11 atomics: flags, read-modify-write, counters, and plain accesses to what others access atomically. */
#include <stdatomic.h>
#include <stdbool.h>

#include "race.h"

int data;
static atomic_int flag;
static atomic_long counter;
static _Atomic(int *) pointer;
long mixed;

static void set_release(void)
{
	data = 1;
	atomic_store_explicit(&flag, 1, memory_order_release);
}

static void set_seq_cst(void)
{
	data = 1;
	atomic_store(&flag, 1);
}

static void get_acquire(void)
{
	MUST(atomic_load_explicit(&flag, memory_order_acquire) == 1);
	LOOK(data);
	data = 2;
}

static void get_by_rmw(void)
{
	int one = 1;

	MUST(atomic_compare_exchange_strong(&flag, &one, 2));
	LOOK(data);
	data = 2;
}

/* Asked once, found set. */
static void flag_once(void) /* EXPECT: silence in flag_once */
{
	in_turn(set_release, get_acquire);
}

static void flag_seq_cst(void) /* EXPECT: silence in flag_seq_cst */
{
	in_turn(set_seq_cst, get_acquire);
}

static void flag_by_rmw(void) /* EXPECT: silence in flag_by_rmw */
{
	in_turn(set_release, get_by_rmw);
}

/* Asked again and again, in all makes of loop. */
static void *spin_bare(void *arg)
{
	while (!atomic_load_explicit(&flag, memory_order_acquire))
		;
	LOOK(data);
	return arg;
}

static void *spin_pause(void *arg)
{
	int n = 0;

	while (!atomic_load_explicit(&flag, memory_order_acquire)) {
		n++;
		__builtin_ia32_pause();
	}
	LOOK(data + n);
	return arg;
}

static void *spin_sleep(void *arg)
{
	for (int n = 0; n < 100000; n++) {
		if (atomic_load_explicit(&flag, memory_order_acquire))
			break;
		invisible_sleep_ms(1);
	}
	LOOK(data);
	return arg;
}

static void *set_after_a_while(void *arg)
{
	invisible_sleep_ms(20);
	set_release();
	return arg;
}

static void polled(void) /* EXPECT: silence in polled */
{
	pthread_t a = start(spin_bare), b = start(spin_pause);

	run_two(spin_sleep, set_after_a_while);
	finish(a);
	finish(b);
}

/* Before it is set, nothing is ordered: who finds it clear and goes on, races. */
static void get_too_early(void)
{
	MUST(atomic_load_explicit(&flag, memory_order_acquire) == 0);
	LOOK(data); /* EXPECT: data-race in found_clear */
}

static void set_for_nobody(void)
{
	data = 1; /* EXPECT: data-race in found_clear */
	atomic_store_explicit(&flag, 1, memory_order_release);
}

static void found_clear(void)
{
	in_turn(get_too_early, set_for_nobody);
}

static void write_after_release(void)
{
	atomic_store_explicit(&flag, 1, memory_order_release);
	data = 1; /* EXPECT: data-race in written_after_release */
}

static void acquire_and_look(void)
{
	MUST(atomic_load_explicit(&flag, memory_order_acquire) == 1);
	LOOK(data); /* EXPECT: data-race in written_after_release */
}

static void written_after_release(void)
{
	in_turn(write_after_release, acquire_and_look);
}

static void *count_up(void *arg)
{
	for (int i = 0; i < 1000; i++) {
		atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed);
		atomic_fetch_or_explicit(&flag, 1, memory_order_relaxed);
		if (atomic_load_explicit(&counter, memory_order_relaxed) > 1000000)
			atomic_store_explicit(&counter, 0, memory_order_relaxed);
	}
	return arg;
}

/* All accesses atomic, at the same time. */
static void only_atomic(void) /* EXPECT: silence in only_atomic */
{
	run_two(count_up, count_up);
	MUST(counter == 2000);
}

/* `lock add` of a counter that nobody looks at orders nothing. */
static void write_and_count(void)
{
	data = 1; /* EXPECT: data-race in statistics_order_nothing */
	atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed);
}

static void count_and_look(void)
{
	atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed);
	LOOK(data); /* EXPECT: data-race in statistics_order_nothing */
}

static void statistics_order_nothing(void)
{
	in_turn(write_and_count, count_and_look);
}

/* Whose result is used, orders: the last one to arrive sees what all wrote. */
static int part[3];

static void arrive(void)
{
	long n = atomic_load_explicit(&counter, memory_order_relaxed);

	part[n] = 1;
	if (atomic_fetch_add_explicit(&counter, 1, memory_order_acq_rel) == 2)
		MUST(part[0] + part[1] + part[2] == 3);
}

static void last_to_arrive(void) /* EXPECT: silence in last_to_arrive */
{
	in_turn3(arrive, arrive, arrive);
	MUST(counter == 3);
}

static void publish(void)
{
	int *p = (int *)malloc(sizeof(*p));

	*p = 5;
	atomic_store_explicit(&pointer, p, memory_order_release);
}

static void find(void)
{
	int *p = atomic_load_explicit(&pointer, memory_order_acquire);

	MUST(*p == 5);
}

static void withdraw(void)
{
	int *p = atomic_exchange_explicit(&pointer, NULL, memory_order_acq_rel);

	*p = 6;
	free(p);
}

static void published(void) /* EXPECT: silence in published */
{
	in_turn(publish, find);
}

/* The reader may still be at it when the pointer is withdrawn and the block freed. */
static int *kept;

static void find_and_keep(void)
{
	kept = atomic_load_explicit(&pointer, memory_order_acquire);
	LOOK(*kept); /* EXPECT: data-race in withdrawn */
}

static void withdraw_and_free(void)
{
	int *p = atomic_exchange_explicit(&pointer, NULL, memory_order_acq_rel);

	free(p); /* EXPECT: data-race in withdrawn */
}

static void withdrawn(void)
{
	in_turn3(publish, find_and_keep, withdraw_and_free);
}

static void passed_on(void) /* EXPECT: silence in passed_on */
{
	in_turn(publish, withdraw);
}

static void add_atomically(void)
{
	__atomic_fetch_add(&mixed, 1, __ATOMIC_SEQ_CST); /* EXPECT: data-race in plain_and_atomic, atomic_and_plain */
}

static void add_plainly(void)
{
	mixed++; /* EXPECT: data-race in plain_and_atomic, atomic_and_plain */
}

/* SNARL: misses plain_and_atomic, atomic_and_plain: what one atomic touches is taken for an atomic everywhere */
static void plain_and_atomic(void)
{
	in_turn(add_plainly, add_atomically);
}

static void atomic_and_plain(void)
{
	in_turn(add_atomically, add_plainly);
}

/* A release sequence: relaxed read-modify-writes in between do not break it. */
static void add_relaxed(void)
{
	atomic_fetch_add_explicit(&flag, 1, memory_order_relaxed);
}

static void get_two(void)
{
	MUST(atomic_load_explicit(&flag, memory_order_acquire) == 2);
	LOOK(data);
}

static void release_sequence(void) /* EXPECT: silence in release_sequence */
{
	in_turn3(set_release, add_relaxed, get_two);
}

/* Fences. */
static void set_fenced(void)
{
	data = 1;
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&flag, 1, memory_order_relaxed);
}

static void get_fenced(void)
{
	MUST(atomic_load_explicit(&flag, memory_order_relaxed) == 1);
	atomic_thread_fence(memory_order_acquire);
	LOOK(data);
}

/* TSAN: cries in fences: it does not know fences */
static void fences(void) /* EXPECT: silence in fences */
{
	in_turn(set_fenced, get_fenced);
}

/* Narrow and wide ones, and bytes beside them that are nobody else's. */
static struct {
	_Atomic unsigned char ready;
	unsigned char beside;
	_Atomic unsigned short also_ready;
	int value;
} narrow;

static void set_narrow(void)
{
	narrow.value = 1;
	atomic_store_explicit(&narrow.ready, 1, memory_order_release);
	atomic_store_explicit(&narrow.also_ready, 1, memory_order_release);
}

static void write_beside(void)
{
	narrow.beside = 1;
}

static void get_narrow(void)
{
	MUST(atomic_load_explicit(&narrow.ready, memory_order_acquire) &&
	     atomic_load_explicit(&narrow.also_ready, memory_order_acquire));
	LOOK(narrow.value);
}

static void narrow_flags(void) /* EXPECT: silence in narrow_flags */
{
	in_turn3(set_narrow, write_beside, get_narrow);
}

CASES(CASE(flag_once), CASE(flag_seq_cst), CASE(flag_by_rmw), CASE(polled), CASE(found_clear),
      CASE(written_after_release), CASE(only_atomic), CASE(statistics_order_nothing), CASE(last_to_arrive),
      CASE(published), CASE(withdrawn), CASE(passed_on), CASE(plain_and_atomic), CASE(atomic_and_plain),
      CASE(release_sequence), CASE(fences), CASE(narrow_flags))
