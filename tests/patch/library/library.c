/* library.c - Comes and goes. */
#include <stdlib.h>
#include <string.h>

static long table[256];
long library_sum(long n);

__attribute__((constructor)) static void begin(void)
{
	long *p = malloc(sizeof table);
	for (int i = 0; i < 256; i++)
		p[i] = i;
	if (!memchr(p, 77, sizeof table))
		abort();
	free(p);
}

long library_sum(long n)
{
	for (int i = 1; i < 256; i++)
		table[i] += table[i - 1] * n + 1;
	return table[255];
}
