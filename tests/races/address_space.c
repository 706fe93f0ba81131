/* Memory in unusual places: low, high, huge, grown by brk, deep down the stack, in a file, in a mapping of two pages.
 */
#include <sys/mman.h>
#include <sys/resource.h>

#include "race.h"

static volatile int *place;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

static void add(void)
{
	(*place)++; /* EXPECT: data-race in low_race, high_race, huge_race, broken_race, file_race */
}

static void add_locked(void)
{
	pthread_mutex_lock(&m);
	(*place)++;
	pthread_mutex_unlock(&m);
}

static void race_at(void *p)
{
	place = (volatile int *)p;
	in_turn(add, add);
	MUST(*place == 2);
}

static void guarded_at(void *p)
{
	place = (volatile int *)p;
	in_turn(add_locked, add_locked);
	MUST(*place == 2);
}

static void *map(void *at, size_t size, int flags, int fd)
{
	void *p = mmap(at, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	MUST(p != MAP_FAILED);
	return p;
}

#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static void *low(void)
{
	return (char *)map(NULL, 65536, ANON | MAP_32BIT, -1) + 1000;
}

/* Where Go has its heap. */
static void *high(void)
{
	return (char *)map((void *)0xc000000000, 1 << 20, ANON | MAP_FIXED_NOREPLACE, -1) + 1000;
}

static void *huge(void)
{
	return (char *)map(NULL, 1L << 38, ANON | MAP_NORESERVE, -1) + (200L << 30);
}

static void *broken(void)
{
	char *p = (char *)sbrk(1 << 16);

	MUST(p != (void *)-1);
	return p + 3000;
}

static void *in_file(void)
{
	FILE *f = tmpfile();

	MUST(f && ftruncate(fileno(f), 8192) == 0);
	return (char *)map(NULL, 8192, MAP_SHARED, fileno(f)) + 5000;
}

static void low_race(void)
{
	race_at(low());
}

static void low_guarded(void) /* EXPECT: silence in low_guarded */
{
	guarded_at(low());
}

/* TSAN: misses high_race, high_guarded: nothing can be mapped there under it */
static void high_race(void)
{
	race_at(high());
}

static void high_guarded(void) /* EXPECT: silence in high_guarded */
{
	guarded_at(high());
}

static void huge_race(void)
{
	race_at(huge());
}

static void huge_guarded(void) /* EXPECT: silence in huge_guarded */
{
	guarded_at(huge());
}

static void broken_race(void)
{
	race_at(broken());
}

static void broken_guarded(void) /* EXPECT: silence in broken_guarded */
{
	guarded_at(broken());
}

static void file_race(void)
{
	race_at(in_file());
}

static void file_guarded(void) /* EXPECT: silence in file_guarded */
{
	guarded_at(in_file());
}

/* The first thread's stack grows as it goes. */
static int dive(int depth)
{
	volatile char pit[4000];

	pit[depth % 4000] = 1;
	return depth ? dive(depth - 1) + pit[depth % 4000] : 0;
}

static void deep_stack(void) /* EXPECT: silence in deep_stack */
{
	MUST(dive(1500) == 1500);
}

/* A load of eight bytes may not touch the page behind: it is not there. */
static void at_the_edge(void) /* EXPECT: silence in at_the_edge */
{
	char *p = (char *)map(NULL, 8192, ANON, -1);

	MUST(mprotect(p + 4096, 4096, PROT_NONE) == 0);
	p[4095] = 1;
	*(volatile long *)(void *)(p + 4088) = 2;
	guarded_at(p + 4092 - 8);
}

/* All of memory locked: what a detector reserves must not become real by it. */
static void locked_in_memory(void) /* EXPECT: silence in locked_in_memory */
{
	struct rlimit l;

	MUST(getrlimit(RLIMIT_MEMLOCK, &l) == 0);
	if (l.rlim_cur == RLIM_INFINITY || geteuid() == 0)
		mlockall(MCL_CURRENT); /* it may fail; it must not kill */
	guarded_at(low());
}

CASES(CASE(low_race), CASE(low_guarded), CASE(high_race), CASE(high_guarded), CASE(huge_race), CASE(huge_guarded),
      CASE(broken_race), CASE(broken_guarded), CASE(file_race), CASE(file_guarded), CASE(deep_stack), CASE(at_the_edge),
      CASE(locked_in_memory))
