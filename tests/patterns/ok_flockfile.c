/* EXPECT: nothing */
/* Two streams locked by hand, in the same order everywhere, and used inside; flockfile is recursive. */
#include "basics.h"

static FILE *one, *two;

static void *work(void *arg)
{
	for (int i = 0; i < 50; i++) {
		flockfile(one);
		flockfile(two);
		flockfile(one);
		fputs("x", one);
		putc_unlocked('y', two);
		funlockfile(one);
		funlockfile(two);
		funlockfile(one);
		if (ftrylockfile(two) == 0)
			funlockfile(two);
	}
	return arg;
}

int main(void)
{
	one = fopen("/dev/null", "w");
	two = fopen("/dev/null", "w");
	MUST(one && two);
	run_two(work, work);
	fclose(one);
	fclose(two);
	return 0;
}
