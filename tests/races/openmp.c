/* TSAN: none: it does not look into libgomp */
/* OpenMP: regions, loops, reductions, critical and atomic, single, ordered, tasks, locks; all waiting is inside
 * libgomp. */
#ifndef _OPENMP
int main(void)
{
	return 0; /* no cases */
}
#else
#include <omp.h>

#include "race.h"

#define N    1000
#define TEAM 4

int data;
int array[N];

static void loop(void) /* EXPECT: silence in loop */
{
#pragma omp parallel for num_threads(TEAM)
	for (int i = 0; i < N; i++)
		array[i] = i;
	for (int i = 0; i < N; i++)
		MUST(array[i] == i);
}

static void loops_in_one_region(void) /* EXPECT: silence in loops_in_one_region */
{
#pragma omp parallel num_threads(TEAM)
	{
#pragma omp for
		for (int i = 0; i < N; i++)
			array[i] = i;
#pragma omp for schedule(dynamic, 7)
		for (int i = 0; i < N; i++)
			MUST(array[N - 1 - i] == N - 1 - i);
	}
}

static void reduction(void) /* EXPECT: silence in reduction */
{
	long sum = 0;

	for (int i = 0; i < N; i++)
		array[i] = 1;
#pragma omp parallel for num_threads(TEAM) reduction(+ : sum)
	for (int i = 0; i < N; i++)
		sum += array[i];
	MUST(sum == N);
}

static void critical_and_atomic(void) /* EXPECT: silence in critical_and_atomic */
{
	int count = 0;

#pragma omp parallel for num_threads(TEAM)
	for (int i = 0; i < N; i++) {
#pragma omp critical
		data++;
#pragma omp atomic
		count++;
	}
	MUST(data == N && count == N);
}

static void barrier(void) /* EXPECT: silence in barrier */
{
#pragma omp parallel num_threads(TEAM)
	{
		int me = omp_get_thread_num();

		for (int r = 0; r < 20; r++) {
			array[me] = r;
#pragma omp barrier
			MUST(array[(me + 1) % TEAM] == r);
#pragma omp barrier
		}
	}
}

static void single(void) /* EXPECT: silence in single */
{
#pragma omp parallel num_threads(TEAM)
	{
		for (int r = 1; r <= 10; r++) {
#pragma omp single
			data = r;
			MUST(data == r);
#pragma omp barrier
		}
	}
}

static void ordered(void) /* EXPECT: silence in ordered */
{
#pragma omp parallel for num_threads(TEAM) ordered
	for (int i = 0; i < 100; i++) {
#pragma omp ordered
		data++;
	}
	MUST(data == 100);
}

static long fibonacci(int n)
{
	long a, b;

	if (n < 2)
		return n;
#pragma omp task shared(a)
	a = fibonacci(n - 1);
#pragma omp task shared(b)
	b = fibonacci(n - 2);
#pragma omp taskwait
	return a + b;
}

static void tasks(void) /* EXPECT: silence in tasks */
{
	long f = 0;

#pragma omp parallel num_threads(TEAM)
#pragma omp single
	f = fibonacci(12);
	MUST(f == 144);
}

static void task_dependences(void) /* EXPECT: silence in task_dependences */
{
#pragma omp parallel num_threads(TEAM)
#pragma omp single
	{
		for (int i = 0; i < 20; i++) {
#pragma omp task depend(out : data)
			data = i;
#pragma omp task depend(in : data)
			LOOK(data);
#pragma omp task depend(in : data)
			LOOK(data);
		}
	}
}

static void locks(void) /* EXPECT: silence in locks */
{
	omp_lock_t lock;

	omp_init_lock(&lock);
#pragma omp parallel num_threads(TEAM)
	for (int i = 0; i < 100; i++) {
		omp_set_lock(&lock);
		data++;
		omp_unset_lock(&lock);
	}
	omp_destroy_lock(&lock);
	MUST(data == 100 * TEAM);
}

static void sections(void) /* EXPECT: silence in sections */
{
	int a = 0, b = 0;

#pragma omp parallel sections num_threads(2)
	{
#pragma omp section
		a = 1;
#pragma omp section
		b = 2;
	}
	MUST(a + b == 3);
}

/* ---- the mistakes ---- */

static void barrier_forgotten(void)
{
#pragma omp parallel num_threads(2)
	{
		int me = omp_get_thread_num();

		if (me == 0) {
			data = 1; /* EXPECT: data-race in barrier_forgotten */
			step(0);
		} else {
			await_step(0);
			LOOK(data); /* EXPECT: data-race in barrier_forgotten */
		}
	}
}

static void nowait_read(void)
{
#pragma omp parallel num_threads(2)
	{
#pragma omp for schedule(static) nowait
		for (int i = 0; i < 2; i++)
			array[i * 8] = 1; /* EXPECT: data-race in nowait_read */
		if (omp_get_thread_num() == 0) {
			step(0);
		} else {
			await_step(0);
			LOOK(array[0]); /* EXPECT: data-race in nowait_read */
		}
	}
}

static void sum_without_reduction(void)
{
#pragma omp parallel num_threads(2)
	{
		if (omp_get_thread_num() == 1)
			await_step(0);
		data += omp_get_thread_num(); /* EXPECT: data-race in sum_without_reduction */
		step(0);
	}
}

CASES(CASE(loop), CASE(loops_in_one_region), CASE(reduction), CASE(critical_and_atomic), CASE(barrier), CASE(single),
      CASE(ordered), CASE(tasks), CASE(task_dependences), CASE(locks), CASE(sections), CASE(barrier_forgotten),
      CASE(nowait_read), CASE(sum_without_reduction))
#endif
