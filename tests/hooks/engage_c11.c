/* engage_c11.c - C11 threads; hooks.test compares with a run without snarl. */
#include "show.h"
#include <threads.h>

static mtx_t m;
static cnd_t c;
static once_flag flag = ONCE_FLAG_INIT;
static int ready;
static tss_t key;

static void initialise(void)
{
	say("once");
}
static void destructor(void *text)
{
	say(text);
}

static int from_other(void *arg)
{
	struct timespec soon = in_ms(CLOCK_REALTIME, 5);

	track = "other";
	tss_set(key, "destructor");
	call_once(&flag, initialise);
	SHOW(mtx_trylock(&m));
	if (*(int *)arg & mtx_timed)
		SHOW(mtx_timedlock(&m, &soon));
	return 9;
}

static int signaller(void *arg)
{
	track = "signaller";
	SHOW(mtx_lock(&m));
	ready = 1;
	SHOW_AS("cnd_signal or broadcast", arg ? cnd_broadcast(&c) : cnd_signal(&c));
	SHOW(mtx_unlock(&m));
	thrd_exit(11);
}

static void one(int type)
{
	struct timespec soon;
	int result = 0;
	thrd_t t;

	SHOW(mtx_init(&m, type));
	SHOW(mtx_lock(&m));
	SHOW(mtx_trylock(&m));
	if (type & mtx_recursive)
		SHOW(mtx_unlock(&m));
	SHOW(thrd_create(&t, from_other, &type));
	SHOW(thrd_join(t, &result));
	SHOW(result);
	SHOW(cnd_init(&c));
	soon = in_ms(CLOCK_REALTIME, 5);
	SHOW(cnd_timedwait(&c, &m, &soon));
	for (int i = 0; i < 2; i++) {
		ready = 0;
		SHOW(thrd_create(&t, signaller, i ? &m : NULL));
		while (!ready)
			SHOW_AS("cnd_wait", cnd_wait(&c, &m));
		SHOW(mtx_unlock(&m));
		SHOW(thrd_join(t, &result));
		SHOW(result);
		SHOW(mtx_lock(&m));
	}
	SHOW(mtx_unlock(&m));
	cnd_destroy(&c);
	mtx_destroy(&m);
}

int main(void)
{
	struct timespec ms = { 0, 1000000 };
	int type = mtx_plain;
	thrd_t t;

	MUST(tss_create(&key, destructor) == thrd_success);
	call_once(&flag, initialise);
	one(mtx_plain);
	one(mtx_timed);
	one(mtx_plain | mtx_recursive);
	one(mtx_timed | mtx_recursive);
	SHOW(mtx_init(&m, 1234));
	SHOW(mtx_init(&m, mtx_plain));
	OK(thrd_create(&t, from_other, &type));
	invisible_sleep_ms(20);
	SHOW(thrd_detach(t));
	SHOW(thrd_equal(thrd_current(), thrd_current()) != 0);
	SHOW(thrd_sleep(&ms, NULL));
	thrd_yield();
	return 0;
}
