/* EXPECT: nothing */
/* C11 threads, mutexes of all types, conditions: same order everywhere, thread results, detached threads. */
#include "basics.h"
#include <threads.h>

static mtx_t outer, inner, recursive, timed;
static cnd_t cond;
static int ready;

static int work(void *arg)
{
	struct timespec t = in_ms(CLOCK_REALTIME, 1000);

	for (int i = 0; i < 50; i++) {
		mtx_lock(&outer);
		mtx_lock(&recursive);
		mtx_lock(&inner);
		mtx_lock(&recursive);
		mtx_unlock(&recursive);
		mtx_unlock(&inner);
		mtx_unlock(&recursive);
		mtx_unlock(&outer);
	}
	MUST(mtx_timedlock(&timed, &t) == thrd_success);
	mtx_unlock(&timed);
	mtx_lock(&inner);
	while (!ready)
		cnd_wait(&cond, &inner);
	mtx_unlock(&inner);
	return arg ? 7 : 8;
}

int main(void)
{
	thrd_t a, b;
	int ra, rb;

	mtx_init(&outer, mtx_plain);
	mtx_init(&inner, mtx_plain);
	mtx_init(&recursive, mtx_plain | mtx_recursive);
	mtx_init(&timed, mtx_timed);
	cnd_init(&cond);
	MUST(thrd_create(&a, work, &ready) == thrd_success);
	MUST(thrd_create(&b, work, NULL) == thrd_success);
	mtx_lock(&inner);
	ready = 1;
	cnd_broadcast(&cond);
	mtx_unlock(&inner);
	MUST(thrd_join(a, &ra) == thrd_success && ra == 7);
	MUST(thrd_join(b, &rb) == thrd_success && rb == 8);
	cnd_destroy(&cond);
	mtx_destroy(&outer);
	mtx_destroy(&inner);
	mtx_destroy(&recursive);
	mtx_destroy(&timed);
	return 0;
}
