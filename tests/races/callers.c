/* One racy line, many ways to it: through several callers, by recursion, through libc, by tail call. */
#include "race.h"

int data;
static int table[8] = { 5, 3, 7, 1, 6, 2, 8, 4 };
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

static __attribute__((noinline)) void add(void)
{
	data++; /* EXPECT: data-race in two_callers, deep, tail_called */
	__asm__ volatile("");
}

static __attribute__((noinline)) void one_way(void)
{
	add();
	__asm__ volatile("");
}

static __attribute__((noinline)) void other_way(void)
{
	add();
	__asm__ volatile("");
}

static void two_callers(void)
{
	in_turn(one_way, other_way);
}

static __attribute__((noinline)) void down(int n)
{
	if (n)
		down(n - 1);
	else
		add();
	__asm__ volatile("");
}

static void go_down(void)
{
	down(200);
}

static void deep(void)
{
	in_turn(go_down, one_way);
}

static __attribute__((noinline)) void jump_to_add(void)
{
	add();
}

static void tail_called(void)
{
	in_turn(jump_to_add, jump_to_add);
}

/* The comparison is the program's, the sorting is libc's. */
static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b; /* EXPECT: data-race in sorted_while_written */
}

static void sort(void)
{
	qsort(table, 8, sizeof(*table), compare); /* MAY: data-race in sorted_while_written */
}

static void write_table(void)
{
	table[2] = 9; /* EXPECT: data-race in sorted_while_written */
}

static void sorted_while_written(void)
{
	in_turn(write_table, sort);
}

static void sort_own(void)
{
	int own[8];

	pthread_mutex_lock(&m);
	memcpy(own, table, sizeof(own));
	pthread_mutex_unlock(&m);
	qsort(own, 8, sizeof(*own), compare);
	MUST(own[0] == 1 && own[7] == 8);
}

static void sorted_apart(void) /* EXPECT: silence in sorted_apart */
{
	in_turn3(sort_own, sort_own, sort_own);
}

/* Reported once, however often it happens. */
static void add_often(void)
{
	for (int i = 0; i < 1000; i++) {
		data++; /* EXPECT: data-race in again_and_again */
		__asm__ volatile("" : : : "memory");
	}
}

static void again_and_again(void)
{
	in_turn3(add_often, add_often, add_often);
}

CASES(CASE(two_callers), CASE(deep), CASE(tail_called), CASE(sorted_while_written), CASE(sorted_apart),
      CASE(again_and_again))
