/* TSAN: none: it does not look into libgomp */
/* OpenMP: what tasks, task groups, dependences, events, nested regions and copies of data order, and what they do not.
 */
#ifndef _OPENMP
int main(void)
{
	return 0; /* no cases */
}
#else
#include <omp.h>

#include "race.h"

#define TEAM         4

int data, other;
int array[64];

/* Two tasks at once: the second one runs in another thread, because this one does not go on before it has run. */
#define ELSEWHERE(k) await_step(k)

static void group(void) /* EXPECT: silence in group */
{
#pragma omp parallel num_threads(TEAM)
#pragma omp single
	for (int r = 0; r < 20; r++) {
#pragma omp taskgroup
		for (int i = 0; i < 4; i++) {
#pragma omp task firstprivate(i)
			{
#pragma omp task firstprivate(i)
				array[i]++;
			}
		}
		for (int i = 0; i < 4; i++)
			MUST(array[i] == r + 1);
	}
}

static void waited_for(void) /* EXPECT: silence in waited_for */
{
#pragma omp parallel num_threads(TEAM)
#pragma omp single
	for (int r = 0; r < 20; r++) {
		data = r;
#pragma omp task
		array[0] = data;
#pragma omp task
		array[1] = data;
#pragma omp taskwait
		MUST(array[0] == r && array[1] == r);
	}
}

static void loop_of_tasks(void) /* EXPECT: silence in loop_of_tasks */
{
	long sum = 0;

#pragma omp parallel num_threads(TEAM)
#pragma omp single
	{
		for (int i = 0; i < 64; i++)
			array[i] = i;
#pragma omp taskloop grainsize(4)
		for (int i = 0; i < 64; i++)
			array[i]++;
#pragma omp taskloop num_tasks(5) reduction(+ : sum)
		for (int i = 0; i < 64; i++)
			sum += array[i];
	}
	MUST(sum == 64 * 65 / 2);
}

static void loop_of_tasks_in_group(void) /* EXPECT: silence in loop_of_tasks_in_group */
{
#pragma omp parallel num_threads(TEAM)
#pragma omp single
	{
#pragma omp taskgroup
		{
#pragma omp taskloop nogroup
			for (unsigned long long i = 0; i < 64; i++)
				array[i] = (int)i;
		}
		for (int i = 0; i < 64; i++)
			MUST(array[i] == i);
	}
}

static void chain(void) /* EXPECT: silence in chain */
{
	char token[8] __attribute__((unused));

	data = 0;
#pragma omp parallel num_threads(TEAM)
#pragma omp single
	for (int i = 0; i < 50; i++) {
#pragma omp task depend(inout : token[0])
		data++;
#pragma omp task depend(in : token[0])
		LOOK(data);
#pragma omp task depend(mutexinoutset : token[1])
		other++;
	}
	MUST(data == 50 && other == 50);
}

static void not_deferred(void) /* EXPECT: silence in not_deferred */
{
#pragma omp parallel num_threads(TEAM)
#pragma omp single
	for (int i = 0; i < 10; i++) {
#pragma omp task depend(out : data)
		data = i;
#pragma omp task if (0) depend(in : data)
		MUST(data == i);
#pragma omp task final(1)
		{
#pragma omp task
			other = i;
		}
#pragma omp taskwait
	}
}

struct big {
	int n[40];
};

static void copies(void) /* EXPECT: silence in copies */
{
	struct big b;

	memset(&b, 0, sizeof(b));
#pragma omp parallel num_threads(TEAM)
#pragma omp single
	for (int i = 0; i < 100; i++) {
		b.n[39] = i;
#pragma omp task firstprivate(b, i)
		{
			MUST(b.n[39] == i);
			b.n[39] = -1;
		}
	}
}

static void event(void) /* EXPECT: silence in event */
{
#if _OPENMP >= 201811
	omp_event_handle_t e = (omp_event_handle_t)0; // clang does not know that detach sets it

#pragma omp parallel num_threads(TEAM)
#pragma omp single
	{
		omp_event_handle_t *to = malloc(sizeof(*to));
#pragma omp task detach(e) firstprivate(to)
		{
			data = 1;
			*to = e;
#pragma omp task firstprivate(to)
			{
				other = 2;
				omp_fulfill_event(*to);
			}
		}
#pragma omp taskwait
		MUST(data == 1 && other == 2);
		free(to);
	}
#endif
}

static void nested(void) /* EXPECT: silence in nested */
{
	omp_set_max_active_levels(2);
#pragma omp parallel num_threads(2)
	{
		int me = omp_get_thread_num() * 8;

		for (int r = 0; r < 5; r++) {
			array[me] = r;
#pragma omp parallel num_threads(2)
			{
				MUST(array[me] == r);
				array[me + 1 + omp_get_thread_num()] = r;
#pragma omp barrier
				MUST(array[me + 2 - omp_get_thread_num()] == r);
			}
			MUST(array[me + 1] == r && array[me + 2] == r);
#pragma omp barrier
			MUST(array[8 - me + 1] == r);
#pragma omp barrier
		}
	}
}

static void copied_to_all(void) /* EXPECT: silence in copied_to_all */
{
#pragma omp parallel num_threads(TEAM)
	for (int r = 0; r < 10; r++) {
		int mine;
		struct big b;
#pragma omp single copyprivate(mine, b)
		{
			mine = r;
			b.n[3] = r;
			data = r;
		}
		MUST(mine == r && b.n[3] == r && data == r);
#pragma omp barrier
	}
}

static void named(void) /* EXPECT: silence in named */
{
#pragma omp parallel num_threads(TEAM)
	for (int i = 0; i < 50; i++) {
#pragma omp critical(here)
		data++;
#pragma omp critical(there)
		other++;
	}
	MUST(data == 50 * TEAM && other == 50 * TEAM);
}

static void locks_in_locks(void) /* EXPECT: silence in locks_in_locks */
{
	omp_nest_lock_t l;

	omp_init_nest_lock(&l);
#pragma omp parallel num_threads(TEAM)
	for (int i = 0; i < 50; i++) {
		if (i % 2)
			omp_set_nest_lock(&l);
		else
			while (!omp_test_nest_lock(&l))
				sched_yield();
		omp_set_nest_lock(&l);
		data++;
		omp_unset_nest_lock(&l);
		data++;
		omp_unset_nest_lock(&l);
	}
	omp_destroy_nest_lock(&l);
	MUST(data == 100 * TEAM);
}

static void one_after_another(void) /* EXPECT: silence in one_after_another */
{
#pragma omp parallel for num_threads(TEAM) ordered(1) schedule(dynamic)
	for (int i = 1; i < 64; i++) {
#pragma omp ordered depend(sink : i - 1)
		array[i] = array[i - 1] + 1;
#pragma omp ordered depend(source)
	}
	for (int i = 1; i < 64; i++)
		MUST(array[i] == i);
}

static void combined(void) /* EXPECT: silence in combined */
{
	int least = 1000, last = 0;
	long sum = 0;
	int parts[8] = { 0 };

	for (int r = 0; r < 5; r++) {
#pragma omp parallel for num_threads(TEAM) schedule(guided) reduction(min : least) reduction(+ : parts[:8]) lastprivate(last)
		for (int i = 0; i < 64; i++) {
			parts[i % 8]++;
			if (100 - i < least)
				least = 100 - i;
			last = i;
		}
#pragma omp parallel num_threads(TEAM)
#pragma omp sections reduction(+ : sum)
		{
#pragma omp section
			sum += 1;
#pragma omp section
			sum += 2;
		}
	}
	MUST(least == 37 && last == 63 && sum == 15 && parts[3] == 40);
}

static void regions_without_end(void) /* EXPECT: silence in regions_without_end */
{
	for (int r = 0; r < 30; r++) {
		data = r;
#pragma omp parallel num_threads(1 + r % TEAM)
		{
			array[omp_get_thread_num()] = data;
		}
		for (int i = 0; i <= r % TEAM; i++)
			MUST(array[i] == r);
	}
}

/* ---- the mistakes ---- */

static void not_waited_for(void)
{
#pragma omp parallel num_threads(2)
#pragma omp single
	{
#pragma omp task
		{
			data = 1; /* EXPECT: data-race in not_waited_for */
			step(0);
		}
		ELSEWHERE(0);
		LOOK(data); /* EXPECT: data-race in not_waited_for */
	}
}

static void written_after_creation(void)
{
#pragma omp parallel num_threads(2)
#pragma omp single
	{
#pragma omp task
		{
			await_step(1);
			LOOK(data); /* EXPECT: data-race in written_after_creation */
			step(0);
		}
		data = 1; /* EXPECT: data-race in written_after_creation */
		step(1);
		ELSEWHERE(0);
	}
}

static void grandchild(void)
{
#pragma omp parallel num_threads(3)
#pragma omp single
	{
#pragma omp task
		{
#pragma omp task
			{
				await_step(1);
				data = 1; /* EXPECT: data-race in grandchild */
				step(0);
			}
		}
#pragma omp taskwait
		step(1);
		ELSEWHERE(0);
		LOOK(data); /* EXPECT: data-race in grandchild */
	}
}

static void no_dependence(void)
{
	int a __attribute__((unused)) = 0, b __attribute__((unused)) = 0;

#pragma omp parallel num_threads(3)
#pragma omp single
	{
#pragma omp task depend(out : a)
		{
			data = 1; /* EXPECT: data-race in no_dependence */
			step(0);
			await_step(1);
		}
#pragma omp task depend(in : b)
		{
			await_step(0);
			LOOK(data); /* EXPECT: data-race in no_dependence */
			step(1);
		}
		await_step(1);
	}
}

static void other_name(void)
{
#pragma omp parallel num_threads(2)
	{
		if (omp_get_thread_num() == 0) {
#pragma omp critical(here)
			data = 1; /* EXPECT: data-race in other_name */
			step(0);
		} else {
			await_step(0);
#pragma omp critical(there)
			LOOK(data); /* EXPECT: data-race in other_name */
		}
	}
}

static void handed_out_dynamically(void)
{
#pragma omp parallel for num_threads(2) schedule(dynamic, 1)
	for (int i = 0; i < 2; i++) {
		if (i == 0) {
			data = 1; /* EXPECT: data-race in handed_out_dynamically */
			step(0);
			await_step(1);
		} else {
			await_step(0);
			LOOK(data); /* EXPECT: data-race in handed_out_dynamically */
			step(1);
		}
	}
}

static void single_nowait(void)
{
#pragma omp parallel num_threads(2)
	{
		int mine = 0;
#pragma omp single nowait
		{
			mine = 1;
			data = 1; /* EXPECT: data-race in single_nowait */
			step(0);
		}
		await_step(0);
		if (!mine)
			LOOK(data); /* EXPECT: data-race in single_nowait */
	}
}

CASES(CASE(group), CASE(waited_for), CASE(loop_of_tasks), CASE(loop_of_tasks_in_group), CASE(chain), CASE(not_deferred),
      CASE(copies), CASE(event), CASE(nested), CASE(copied_to_all), CASE(named), CASE(locks_in_locks),
      CASE(one_after_another), CASE(combined), CASE(regions_without_end), CASE(not_waited_for),
      CASE(written_after_creation), CASE(grandchild), CASE(no_dependence), CASE(other_name),
      CASE(handed_out_dynamically), CASE(single_nowait))
#endif
