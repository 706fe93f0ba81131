/* What was written before a thread was created is there for it, and nothing else is. */
#include "race.h"

int data;
int arguments[3];

static void *look(void *arg)
{
	LOOK(data);
	return arg;
}

static void *look_late(void *arg)
{
	await_step(0);
	LOOK(data); /* EXPECT: data-race in written_after */
	return arg;
}

static void written_before(void) /* EXPECT: silence in written_before */
{
	pthread_t t;

	data = 1;
	t = start(look);
	finish(t);
}

static void written_after(void)
{
	pthread_t t = start(look_late);

	data = 1; /* EXPECT: data-race in written_after */
	step(0);
	finish(t);
}

/* The mistake of every beginner: all threads get the address of the loop's variable. */
static void *take_number(void *arg)
{
	arguments[0] = *(int *)arg; /* EXPECT: data-race in loop_variable */
	step(0);
	return NULL;
}

static void loop_variable(void)
{
	static int i;
	pthread_t t;

	i = 0;
	t = start_with(take_number, &i);
	await_step(0);
	i = 1; /* EXPECT: data-race in loop_variable */
	finish(t);
}

static void *take_own(void *arg)
{
	*(int *)arg += 1;
	return NULL;
}

static void own_argument(void) /* EXPECT: silence in own_argument */
{
	pthread_t t[3];

	for (int i = 0; i < 3; i++) {
		arguments[i] = i;
		t[i] = start_with(take_own, &arguments[i]);
	}
	for (int i = 0; i < 3; i++) {
		finish(t[i]);
		MUST(arguments[i] == i + 1);
	}
}

static void *parent(void *arg)
{
	data++;
	finish(start(look));
	return arg;
}

static void grandchild(void) /* EXPECT: silence in grandchild */
{
	data = 1;
	finish(start(parent));
	LOOK(data);
}

static pthread_t elder;

static void *write_as_elder(void *arg)
{
	data = 1; /* EXPECT: data-race in siblings */
	step(0);
	return arg;
}

static void *look_as_younger(void *arg)
{
	LOOK(data); /* EXPECT: data-race in siblings */
	return arg;
}

/* The younger one is created after the elder has written, but not by it. */
static void siblings(void)
{
	pthread_t younger;

	elder = start(write_as_elder);
	await_step(0);
	younger = start(look_as_younger);
	finish(younger);
	finish(elder);
}

CASES(CASE(written_before), CASE(written_after), CASE(loop_variable), CASE(own_argument), CASE(grandchild),
      CASE(siblings))
