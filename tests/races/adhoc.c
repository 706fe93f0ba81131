/* Flags that are no atomics: volatile ones, and plain ones. What they guard may be called a race, or only the flag
 * itself. */
#include "race.h"

int data;
volatile int ready;
int plainly_ready;

static void set_volatile(void)
{
	data = 1;  /* MAY: data-race in volatile_flag */
	ready = 1; /* EXPECT: data-race in volatile_flag */
}

static void get_volatile(void)
{
	while (!ready) /* EXPECT: data-race in volatile_flag */
		;
	LOOK(data); /* MAY: data-race in volatile_flag */
}

static void volatile_flag(void)
{
	in_turn(set_volatile, get_volatile);
}

static void set_plain(void)
{
	plainly_ready = 1; /* EXPECT: data-race in plain_flag */
}

static void get_plain(void)
{
	if (plainly_ready) /* EXPECT: data-race in plain_flag */
		data++;
}

static void plain_flag(void)
{
	in_turn(set_plain, get_plain);
}

/* A word that is not even aligned is no flag. */
struct __attribute__((packed)) {
	char c;
	int flag;
} askew;

static void set_askew(void)
{
	askew.flag = 1; /* EXPECT: data-race in misaligned */
}

static void get_askew(void)
{
	if (askew.flag) /* EXPECT: data-race in misaligned */
		data++;
}

static void misaligned(void)
{
	in_turn(set_askew, get_askew);
}

/* Counted by all, tested by all: the test feeds a branch, and is a race all the same. */
static int limit = 3;
int used;

static void use_up(void)
{
	if (used < limit) /* MAY: data-race in counted */
		used++;   /* EXPECT: data-race in counted */
}

static void counted(void)
{
	in_turn3(use_up, use_up, use_up);
}

CASES(CASE(volatile_flag), CASE(plain_flag), CASE(misaligned), CASE(counted))
