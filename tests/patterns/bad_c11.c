/* EXPECT: lock-order:possible */
/* C11 mutexes in both orders, on pthread threads. */
#include "basics.h"
#include "invisible.h"
#include <threads.h>

static mtx_t a, b;
static struct gate first_done;

static void *ab(void *arg)
{
	mtx_lock(&a); // EXPECT lock-order
	mtx_lock(&b); // EXPECT lock-order
	mtx_unlock(&b);
	mtx_unlock(&a);
	gate_open(&first_done);
	return arg;
}

static void *ba(void *arg)
{
	gate_wait(&first_done);
	mtx_lock(&b); // EXPECT lock-order
	mtx_lock(&a); // EXPECT lock-order
	mtx_unlock(&a);
	mtx_unlock(&b);
	return arg;
}

int main(void)
{
	MUST(mtx_init(&a, mtx_plain) == thrd_success);
	MUST(mtx_init(&b, mtx_plain) == thrd_success);
	run_two(ab, ba);
	return 0;
}
