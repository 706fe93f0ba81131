/* EXPECT: lock-order:possible */
/* Two streams locked by flockfile in both orders. */
#include "basics.h"
#include "invisible.h"

static FILE *a, *b;
static struct gate first_done;

static void *ab(void *arg)
{
	flockfile(a); // EXPECT lock-order
	flockfile(b); // EXPECT lock-order
	funlockfile(b);
	funlockfile(a);
	gate_open(&first_done);
	return arg;
}

static void *ba(void *arg)
{
	gate_wait(&first_done);
	flockfile(b); // EXPECT lock-order
	flockfile(a); // EXPECT lock-order
	funlockfile(a);
	funlockfile(b);
	return arg;
}

int main(void)
{
	a = fopen("/dev/null", "w");
	b = fopen("/dev/null", "w");
	MUST(a && b);
	run_two(ab, ba);
	return 0;
}
