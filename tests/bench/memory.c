/* memory.c - malloc and free in turn, or memcpy of so many bytes: nanoseconds for one. memory malloc|memcpy BYTES [second thread first] */
#include "basics.h"

static volatile char sink;

static double churn(size_t bytes, long n)
{
	void *kept[64] = { 0 };
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	for (long i = 0; i < n; i++) {
		free(kept[i & 63]);
		kept[i & 63] = malloc(bytes + (size_t)(i & 7) * 16);
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	for (int i = 0; i < 64; i++)
		free(kept[i]);
	return ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / (double)n;
}

static double copies(size_t bytes, long n)
{
	char *to = calloc(1, bytes), *from = calloc(1, bytes);
	struct timespec a, b;

	MUST(to && from);
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (long i = 0; i < n; i++)
		memcpy(to, from, bytes);
	clock_gettime(CLOCK_MONOTONIC, &b);
	sink = to[0];
	free(to);
	free(from);
	return ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / (double)n;
}

static void *nothing(void *arg)
{
	return arg;
}

int main(int argc, char **argv)
{
	MUST(argc > 2);
	size_t bytes = (size_t)atol(argv[2]);
	double best = 1e18;

	if (argc > 3)
		finish(start(nothing));
	for (int i = 0; i < 20; i++) {
		double ns = strcmp(argv[1], "malloc") == 0 ? churn(bytes, 100000) : copies(bytes, bytes > 1024 ? 2000 : 50000);
		best = ns < best ? ns : best;
	}
	printf("%.2f\n", best);
	return 0;
}
