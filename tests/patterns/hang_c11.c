/* EXPECT: deadlock:confirmed [lock-order]; hangs */
/* C11 threads and C11 mutexes. */
#include "basics.h"
#include "invisible.h"
#include <threads.h>

static mtx_t a, b;
static struct meeting both_hold;

static int ab(void *arg)
{
	mtx_lock(&a); // EXPECT deadlock
	meet(&both_hold, 2);
	mtx_lock(&b); // EXPECT deadlock
	mtx_unlock(&b);
	mtx_unlock(&a);
	return arg != NULL;
}

static int ba(void *arg)
{
	mtx_lock(&b); // EXPECT deadlock
	meet(&both_hold, 2);
	mtx_lock(&a); // EXPECT deadlock
	mtx_unlock(&a);
	mtx_unlock(&b);
	return arg != NULL;
}

int main(void)
{
	thrd_t t, u;

	mtx_init(&a, mtx_plain);
	mtx_init(&b, mtx_plain);
	MUST(thrd_create(&t, ab, NULL) == thrd_success);
	MUST(thrd_create(&u, ba, NULL) == thrd_success);
	thrd_join(t, NULL);
	thrd_join(u, NULL);
	return 0;
}
