/* pthread_once and call_once: the routine comes before every return. */
#include <threads.h>

#include "race.h"

int data;
int done;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static once_flag flag = ONCE_FLAG_INIT;

static void init(void)
{
	data = 1;
}

static void use(void)
{
	pthread_once(&once, init);
	LOOK(data);
}

static void use_c11(void)
{
	call_once(&flag, init);
	LOOK(data);
}

static void use_homemade(void)
{
	if (!done) { /* EXPECT: data-race in homemade */
		data = 1;
		done = 1; /* EXPECT: data-race in homemade */
	}
	LOOK(data); /* MAY: data-race in homemade */
}

static void use_and_change(void)
{
	pthread_once(&once, init);
	data++; /* EXPECT: data-race in changed_later */
}

static void posix(void) /* EXPECT: silence in posix */
{
	in_turn3(use, use, use);
}

/* TSAN: cries in c11: libtsan does not know call_once of C */
static void c11(void) /* EXPECT: silence in c11 */
{
	in_turn3(use_c11, use_c11, use_c11);
}

static void homemade(void)
{
	in_turn(use_homemade, use_homemade);
}

/* Once orders the initialisation, not what comes after it. */
static void changed_later(void)
{
	in_turn(use_and_change, use_and_change);
}

CASES(CASE(posix), CASE(c11), CASE(homemade), CASE(changed_later))
