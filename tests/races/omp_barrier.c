/* Barriers as OpenMP runtimes make them: a count, a generation, atomics and a futex; and a thread team on top. */
#include <stdatomic.h>

#include "race.h"

#define TEAM 4

int data[TEAM];
int sum;

static struct {
	atomic_uint generation;
	atomic_uint awaited;
} barrier;

static void wait_for_all(void)
{
	unsigned generation = atomic_load_explicit(&barrier.generation, memory_order_acquire);

	if (atomic_fetch_sub_explicit(&barrier.awaited, 1, memory_order_acq_rel) == 1) {
		atomic_store_explicit(&barrier.awaited, TEAM, memory_order_relaxed);
		atomic_store_explicit(&barrier.generation, generation + 1, memory_order_release);
		syscall(SYS_futex, &barrier.generation, FUTEX_WAKE, TEAM, NULL, NULL, 0);
		return;
	}
	for (int spin = 0; spin < 100; spin++)
		if (atomic_load_explicit(&barrier.generation, memory_order_acquire) != generation)
			return;
	while (atomic_load_explicit(&barrier.generation, memory_order_acquire) == generation)
		syscall(SYS_futex, &barrier.generation, FUTEX_WAIT, generation, NULL, NULL, 0);
}

static void *phases(void *arg)
{
	int me = (int)(long)arg;

	for (int i = 0; i < 50; i++) {
		data[me] = i;
		wait_for_all();
		MUST(data[(me + 1) % TEAM] == i);
		wait_for_all();
	}
	return NULL;
}

/* Halving: in each round fewer take part, the others only wait. */
static void *reduce(void *arg)
{
	int me = (int)(long)arg;

	for (int i = 0; i < 50; i++) {
		data[me] = 1;
		wait_for_all();
		for (int half = TEAM / 2; half; half /= 2) {
			if (me < half)
				data[me] += data[me + half];
			wait_for_all();
		}
		MUST(data[0] == TEAM);
		wait_for_all();
	}
	return NULL;
}

static void *forgotten(void *arg)
{
	int me = (int)(long)arg;

	wait_for_all();
	/* Number 1 has left the first barrier for sure when number 0 writes and goes on to the second one. */
	if (me == 1)
		step(1);
	if (me == 0) {
		await_step(1);
		sum = 1; /* EXPECT: data-race in barrier_forgotten */
		step(0);
	}
	if (me == 1) {
		await_step(0);
		LOOK(sum); /* EXPECT: data-race in barrier_forgotten */
	}
	wait_for_all();
	return NULL;
}

static void team(void *(*f)(void *))
{
	pthread_t t[TEAM];

	atomic_store_explicit(&barrier.awaited, TEAM, memory_order_relaxed);
	for (long i = 0; i < TEAM; i++)
		t[i] = start_with(f, (void *)i);
	for (int i = 0; i < TEAM; i++)
		finish(t[i]);
}

static void neighbours(void) /* EXPECT: silence in neighbours */
{
	team(phases);
}

static void reduction(void) /* EXPECT: silence in reduction */
{
	team(reduce);
}

static void barrier_forgotten(void)
{
	team(forgotten);
}

/* A pool that waits between its tasks for the next generation of work, as libgomp's does. */
static atomic_uint work_generation, done;
static void (*work)(int);

static void *pool_thread(void *arg)
{
	unsigned seen = 0;

	for (;;) {
		while (atomic_load_explicit(&work_generation, memory_order_acquire) == seen)
			syscall(SYS_futex, &work_generation, FUTEX_WAIT, seen, NULL, NULL, 0);
		seen++;
		if (!work)
			return NULL;
		work((int)(long)arg);
		atomic_fetch_add_explicit(&done, 1, memory_order_release);
		syscall(SYS_futex, &done, FUTEX_WAKE, 1, NULL, NULL, 0);
	}
}

static void square(int i)
{
	data[i] = i * i;
}

static void add_one(int i)
{
	data[i]++;
}

static void all_do(void (*f)(int))
{
	unsigned n;

	work = f;
	atomic_store_explicit(&done, 0, memory_order_relaxed);
	atomic_fetch_add_explicit(&work_generation, 1, memory_order_release);
	syscall(SYS_futex, &work_generation, FUTEX_WAKE, TEAM, NULL, NULL, 0);
	while (f && (n = atomic_load_explicit(&done, memory_order_acquire)) != TEAM)
		syscall(SYS_futex, &done, FUTEX_WAIT, n, NULL, NULL, 0);
}

static void parallel_regions(void) /* EXPECT: silence in parallel_regions */
{
	pthread_t t[TEAM];

	for (long i = 0; i < TEAM; i++)
		t[i] = start_with(pool_thread, (void *)i);
	for (int r = 0; r < 20; r++) {
		all_do(square);
		for (int i = 0; i < TEAM; i++)
			MUST(data[i] == i * i);
		all_do(add_one);
		for (int i = 0; i < TEAM; i++)
			data[i] = 0;
	}
	all_do(NULL);
	for (int i = 0; i < TEAM; i++)
		finish(t[i]);
}

CASES(CASE(neighbours), CASE(reduction), CASE(barrier_forgotten), CASE(parallel_regions))
