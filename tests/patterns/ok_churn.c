/* EXPECT: nothing */
/* Mutexes made, locked (every third inside another one), unlocked, destroyed and freed, without end: what snarl keeps of them goes by
 * what is alive. With a number as argument, so many; else enough to notice that 56 bytes are kept of each (the race engine keeps what it
 * knows of up to so many addresses). */
#include "basics.h"

static long resident_kb(void)
{
	char line[256];
	long kb = 0;
	FILE *f = fopen("/proc/self/status", "r");
	MUST(f);
	while (fgets(line, sizeof line, f))
		if (strncmp(line, "VmRSS:", 6) == 0)
			kb = atol(line + 6);
	fclose(f);
	return kb;
}

static void *idle(void *arg) { return arg; }

int main(int argc, char **argv)
{
	static pthread_mutex_t outer = PTHREAD_MUTEX_INITIALIZER;
	static void *recent[97];
	long nr = argc > 1 ? atol(argv[1]) : 500000, before = 0;

	finish(start(idle));
	for (long i = 0; i < nr; i++) {
		/* Of many sizes, and freed later: hardly ever at the address of the one before. */
		pthread_mutex_t *m = malloc(sizeof *m + (size_t)(i * 7) % 512);
		MUST(m);
		OK(pthread_mutex_init(m, NULL));
		if (i % 3 == 0)
			OK(pthread_mutex_lock(&outer));
		OK(pthread_mutex_lock(m));
		OK(pthread_mutex_unlock(m));
		if (i % 3 == 0)
			OK(pthread_mutex_unlock(&outer));
		OK(pthread_mutex_destroy(m));
		free(recent[i % 97]);
		recent[i % 97] = m;
		if (i == nr / 10)
			before = resident_kb();
	}
	MUST(resident_kb() - before < 24 * 1024);
	return 0;
}
