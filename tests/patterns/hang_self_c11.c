/* EXPECT: self-deadlock:confirmed; hangs */
/* A plain C11 mutex locked again by its holder. */
#include "basics.h"
#include <threads.h>

static mtx_t m;

static __attribute__((noinline)) void inner(void)
{
	mtx_lock(&m); // EXPECT self-deadlock
	puts("never reached");
}

int main(void)
{
	MUST(mtx_init(&m, mtx_plain) == thrd_success);
	mtx_lock(&m); // EXPECT self-deadlock
	inner();
	return 0;
}
