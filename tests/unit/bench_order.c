/*
 * bench_order.c - What the lock-order graph costs. Not a test; built by hand:
 *
 *   make BUILD=build libunit.a  # or any archive of preload/ below hooks/, best without -DSNARL_CHECK
 *   cc -O2 -D_GNU_SOURCE -Ipreload -o bench_order tests/unit/bench_order.c build/libunit.a -lpthread && ./bench_order
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "detect/order.h"
#include "detect/segment.h"

static uint64_t rng = 88172645463325252u;
static uint32_t rnd(uint32_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)((rng >> 20) % n);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static uint64_t reports;
static void report(const struct order_cycle *c)
{
	(void)c;
	reports++;
}

/* One step of a thread, as the hooks make it. */
static uint32_t take(struct order_cache *c, uint32_t thread, uint32_t seg, uint32_t chain, struct order_hold *held,
		     unsigned nr, uint32_t lock)
{
	uint32_t next = order_next(c, chain, lock, ORDER_WRITE, seg);
	if (!next)
		next = order_next_slow(c, thread, seg, chain, held, nr, lock, ORDER_WRITE, thread * 16 + lock % 16);
	held[nr] = (struct order_hold){ lock, thread * 16 + lock % 16, ORDER_WRITE };
	return next;
}

static void hits(unsigned nr_locks)
{
	struct order_cache c;
	struct order_hold held[8];
	order_cache_start(&c);
	double best = 1e9;
	for (int rep = 0; rep < 40; rep++) {
		double t = now();
		for (unsigned i = 0; i + 8 <= nr_locks; i += 8) {
			uint32_t chain = 0;
			for (unsigned d = 0; d < 8; d++)
				chain = take(&c, 1, 0, chain, held, d, 1 + i + d);
		}
		t = (now() - t) / (nr_locks / 8 * 8);
		if (t < best)
			best = t;
	}
	printf("order_next, hit, depth 8, %u locks: %.1f ns (cache of %u entries)\n", nr_locks, best, c.mask + 1);
	order_cache_stop(&c);
}

static void pairs(bool ordered, unsigned nr_threads, unsigned gate, unsigned nr, uint32_t nr_locks)
{
	struct order_cache c[8];
	struct order_hold held[4];
	for (unsigned t = 0; t < nr_threads; t++)
		order_cache_start(&c[t]);
	uint32_t *p = malloc(nr * sizeof *p);
	/* Every pair at most once, in random order: each is a new dependency. */
	unsigned n = 0;
	for (uint32_t a = 0; a < nr_locks; a++)
		for (uint32_t b = ordered ? a + 1 : 0; b < nr_locks; b++)
			if (a != b && n < nr)
				p[n++] = a * nr_locks + b;
	for (unsigned i = n; i > 1; i--) {
		unsigned j = rnd(i);
		uint32_t x = p[i - 1];
		p[i - 1] = p[j];
		p[j] = x;
	}
	reports = 0;
	double t = now();
	size_t bytes = arena_bytes();
	for (unsigned i = 0; i < n; i++) {
		unsigned th = i % nr_threads, d = 0;
		uint32_t chain = 0;
		if (gate)
			chain = take(&c[th], th + 1, 0, chain, held, d++, 200000);
		chain = take(&c[th], th + 1, 0, chain, held, d, 1 + p[i] / nr_locks);
		take(&c[th], th + 1, 0, chain, held, d + 1, 1 + p[i] % nr_locks);
	}
	t = now() - t;
	struct order_stats s;
	order_stats(&s);
	size_t cache = 0;
	for (unsigned th = 0; th < nr_threads; th++)
		cache += order_cache_bytes(&c[th]);
	printf("%s pairs, %u threads%s, %u locks: %u new dependencies, %.0f ns each; %.1f bytes "
	       "each, caches %zu KB; %llu cycles, %llu cut\n",
	       ordered ? "ordered" : "unordered", nr_threads, gate ? ", all under one lock" : "", nr_locks, n, t / n,
	       (double)(arena_bytes() - bytes - cache) / n, cache / 1024, (unsigned long long)reports,
	       (unsigned long long)s.cut);
	free(p);
}

static void short_lived(void)
{
	struct order_cache c;
	struct order_hold held[3];
	order_cache_start(&c);
	size_t at[3] = { 0 };
	double t = now();
	enum { N = 3000000 };
	for (uint32_t i = 0; i < N; i++) {
		uint32_t m = 10 + i, chain = take(&c, 1, 0, 0, held, 0, 1);
		chain = take(&c, 1, 0, chain, held, 1, m);
		take(&c, 1, 0, chain, held, 2, 2);
		order_forget(m);
		if (i == N / 100 || i == N / 2 || i == N - 1)
			at[i == N / 100 ? 0 : i == N / 2 ? 1 : 2] = arena_bytes();
	}
	printf("a -> short-lived -> b: %.0f ns each; %zu, %zu, %zu KB after 1, 50, 100 %% of %u\n", (now() - t) / N,
	       at[0] / 1024, at[1] / 1024, at[2] / 1024, (unsigned)N);
}

static void threads(void)
{
	struct order_hold held[2];
	double t = now();
	enum { N = 100000 };
	for (uint32_t i = 0; i < N; i++) {
		struct order_cache c;
		uint32_t id = 2 + i;
		segment_born(id, 1, 2 * i);
		order_cache_start(&c);
		uint32_t chain = take(&c, id, 0, 0, held, 0, 1);
		take(&c, id, 0, chain, held, 1, 2);
		if (i % 2) { /* inverted */
			chain = take(&c, id, 0, 0, held, 0, 2);
			take(&c, id, 0, chain, held, 1, 1);
		}
		order_cache_stop(&c);
		segment_joined(id, 1, 2 * i + 2);
	}
	printf("short-lived threads, one after the other, half of them inverted: %.0f ns each, %llu cycles\n",
	       (now() - t) / N, (unsigned long long)reports);
}

static void ladder(unsigned depth)
{
	struct order_cache c;
	struct order_hold *held = malloc(depth * sizeof *held);
	order_cache_start(&c);
	size_t bytes = arena_bytes();
	for (int rep = 0; rep < 3; rep++) {
		double t = now();
		uint32_t chain = 0;
		for (unsigned i = 0; i < depth; i++)
			chain = take(&c, 1, 0, chain, held, i, 1 + i);
		printf("ladder of %u locks, round %d: %.0f ns per lock, %zu KB\n", depth, rep, (now() - t) / depth,
		       (arena_bytes() - bytes) / 1024);
	}
	free(held);
}

/* Each in a process of its own: there is one graph. */
#define ALONE(x)                                \
	do {                                    \
		if (!fork()) {                  \
			order_on_cycle(report); \
			x;                      \
			fflush(stdout);         \
			_exit(0);               \
		}                               \
		wait(NULL);                     \
	} while (0)

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	ALONE(hits(100));
	ALONE(hits(10000));
	ALONE(pairs(true, 1, 0, 19900, 200));
	ALONE(pairs(true, 1, 0, 499500, 1000));
	ALONE(pairs(true, 4, 0, 499500, 1000));
	ALONE(pairs(false, 1, 0, 999000, 1000));
	ALONE(pairs(false, 4, 1, 999000, 1000));
	ALONE(pairs(false, 2, 0, 100000, 1000));
	ALONE(pairs(false, 4, 0, 100000, 1000));
	ALONE(short_lived());
	ALONE(threads());
	ALONE(ladder(1000));
	ALONE(ladder(5000));
	return 0;
}
