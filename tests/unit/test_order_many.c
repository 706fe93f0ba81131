/* test_order_many.c - The lock-order graph with many threads, many locks, locks that go, no memory, and several callers
 * at once. */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "order_program.h"

/* ---- many threads ---- */

static void test_many_threads(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *old = born(main);
	uint32_t a = locks(2), b = a + 1;
	NEST(old, a, b);
	struct order_stats before, after;
	order_stats(&before);
	for (int i = 0; i < 10000; i++) {
		struct thread *t = born(main);
		NEST(t, a, b);
		join(main, t);
	}
	order_stats(&after);
	assert_int_equal(fresh(), 0);
	assert_true(after.merged - before.merged >= 9900);
	assert_true(after.deps - before.deps <= 32);
	/* The one that still lives is still known. */
	NEST(main, b, a);
	assert_int_equal(fresh(), 1);
	end(old), end(main);
}

/* ---- many locks ---- */

static void ladder(unsigned nr, uint32_t key)
{
	struct thread *main = born(NULL), *t = born(main), *u = born(main), *v = born(main);
	uint32_t l = locks(nr);
	for (unsigned i = 0; i < nr; i++)
		take(t, l + i, i ? key : W);
	uint32_t top = chain_of(t);
	drop_all(t);
	for (unsigned i = 0; i < nr; i++)
		take(v, l + i, i ? key : W);
	assert_int_equal(chain_of(v), top);
	drop_all(v);
	assert_int_equal(fresh(), 0);
	uint32_t last = locks(1);
	for (unsigned i = 0; i < nr; i++)
		take(t, l + i, i ? key : W);
	take(t, last, W);
	drop_all(t);
	NEST(u, last, l);
	assert_int_equal(fresh(), 1);
	NEST(u, last, l + nr / 2);
	assert_int_equal(fresh(), 1);
	assert_int_equal(last_nr, 2);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(last_hold[i], stack_of(last_lock[i] == last ? u : t, last_lock[i]));
	/* The other way down: each wish closes with the one before it; with any other, the two hold a lock in common.
	 */
	struct thread *w = born(main);
	uint32_t m = locks(nr);
	for (unsigned i = 0; i < nr; i++)
		take(t, m + i, W);
	drop_all(t);
	for (unsigned i = 0; i < 60; i++)
		take(w, m + nr - 1 - i, W);
	drop_all(w);
	assert_int_equal(fresh(), 59);
	end(t), end(u), end(v), end(w), end(main);
}

static void test_65_held(void **state)
{
	(void)state;
	ladder(65, W);
	ladder(65, TRY);
}

static void test_1000_held(void **state)
{
	(void)state;
	ladder(1000, W);
	ladder(1000, TRY);
}

static void *small_stack(void *arg)
{
	(void)arg;
	ladder(5000, W);
	return NULL;
}

static void test_5000_held(void **state)
{
	(void)state;
	pthread_attr_t attr;
	pthread_t th;
	pthread_attr_init(&attr);
	/* cmocka's own calls need something too. */
	assert_int_equal(pthread_attr_setstacksize(&attr, 32768), 0);
	assert_int_equal(pthread_create(&th, &attr, small_stack, NULL), 0);
	pthread_join(th, NULL);
	pthread_attr_destroy(&attr);
}

/* ---- locks that go ---- */

static void test_dead_lock_is_another(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t = born(main), *u = born(main);
	uint32_t a = locks(3), b = a + 1, b2 = a + 2;
	NEST(t, a, b);
	order_forget(b);
	NEST(u, b2, a);
	assert_int_equal(fresh(), 0);
	NEST(t, a, b2);
	assert_int_equal(fresh(), 1);
	end(t), end(u), end(main);
}

/* The order between the locks around it outlives it. */
static void test_order_survives(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t = born(main), *u = born(main);
	uint32_t a = locks(4), v = a + 1, b = a + 2, c = a + 3;
	take(t, a, W);
	take(t, v, W);
	take(t, b, W);
	take(t, c, W);
	drop_all(t);
	order_forget(v);
	topo_check();
	NEST(u, b, a);
	assert_int_equal(fresh(), 1);
	for (unsigned i = 0; i < 2; i++) {
		const struct thread *h = last_thread[i] == t->id ? u : t;
		assert_int_equal(last_hold[i], stack_of(h, last_lock[i]));
	}
	NEST(u, c, a);
	assert_int_equal(fresh(), 1);
	/* Two that become one. */
	uint32_t x = locks(2), y = x + 1;
	a = locks(3), b = a + 1, c = a + 2;
	NEST(t, a, x, b, c);
	NEST(t, a, y, b, c);
	NEST(u, a, y, b);
	struct order_stats before, after;
	order_stats(&before);
	order_forget(x);
	order_forget(y);
	order_stats(&after);
	/* a-x-b-c, a-y-b-c, u's a-y-b: 7 dependencies become a-b (t, u), a-b-c. */
	assert_int_equal(before.deps - after.deps, 8 - 3);
	NEST(u, c, b);
	assert_int_equal(fresh(), 1);
	end(t), end(u), end(main);
}

/* A thread may hold what is forgotten; its chain must not lead anywhere strange. */
static void test_chains_without_number(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t = born(main), *u = born(main);
	uint32_t l = locks(200), many = chain_many;
	struct order_stats s;
	order_stats(&s);
	chain_many = (uint32_t)s.chains + 30000;
	size_t bytes = 0;
	uint64_t rng = 4711;
	for (int i = 0; i < 400000; i++) {
		uint32_t at[4];
		for (unsigned k = 0; k < 4; k++) {
			rng = rng * 6364136223846793005u + 1442695040888963407u;
			at[k] = k * 50 + (uint32_t)(rng >> 33) % 50;
		}
		NEST(i % 2 ? t : u, l + at[0], l + at[1], l + at[2], l + at[3]);
		if (i == 100000)
			bytes = arena_bytes() - order_cache_bytes(&t->cache) - order_cache_bytes(&u->cache);
		assert_true(chain_nr <= chain_many + 4096);
	}
	order_stats(&s);
	assert_true(s.let_go > 300000);
	assert_true(arena_bytes() - order_cache_bytes(&t->cache) - order_cache_bytes(&u->cache) - bytes < 4 << 20);
	assert_int_equal(fresh(), 0);
	/* It is still known that a cycle could be there; with the next time round of the other half it is seen. */
	NEST(u, l + 199, l);
	fresh();
	NEST(t, l, l + 199);
	fresh();
	NEST(u, l + 150, l + 1);
	NEST(t, l + 1, l + 60, l + 100, l + 150);
	assert_int_equal(fresh(), 1);
	chain_many = many;
	end(t), end(u), end(main);
}

/* The plain graph has a bound: what is beyond is counted, what was there before is as good as ever. */
static void test_too_many_edges(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t = born(main), *u = born(main);
	uint32_t l = locks(60);
	uint64_t many = topo_many;
	struct order_stats s0, s;
	order_stats(&s0);
	NEST(t, l, l + 1);
	topo_many = topo_edges() + 1;
	NEST(t, l + 2, l + 3);
	for (uint32_t i = 10; i < 60; i++)
		NEST(t, l + i, l + (i + 1) % 60);
	order_stats(&s);
	assert_int_equal(s.limited - s0.limited, 50);
	assert_int_equal(s.dropped, s0.dropped);
	NEST(u, l + 11, l + 10);
	assert_int_equal(fresh(), 0);
	/* Room again: it goes on. */
	topo_many = many;
	NEST(u, l + 1, l);
	assert_int_equal(fresh(), 1);
	NEST(u, l + 3, l + 2);
	assert_int_equal(fresh(), 1);
	end(t), end(u), end(main);
}

/* Many of one chain die together, in any order: the order of those that are left stays. */
static void test_gone_together(void **state)
{
	enum { N = 300 };
	(void)state;
	struct thread *main = born(NULL), *t = born(main), *u = born(main);
	for (unsigned dead = 1; dead < N; dead = 3 * dead + 1) {
		struct order_gone gone = { .more = NULL };
		uint32_t l = locks(N);
		bool dies[N] = { false };
		for (unsigned i = 0; i < N; i++)
			take(t, l + i, W);
		drop_all(t);
		fresh();
		for (unsigned i = 0; i < dead; i++) {
			unsigned k = i * 7 % N; /* each once */
			if (k == 0 || k == N / 2 || k == N - 1)
				continue;
			dies[k] = true;
			order_gone_add(&gone, l + k);
		}
		order_gone(&gone);
		assert_int_equal(gone.nr, 0);
		NEST(u, l + N / 2, l);
		NEST(u, l + N - 1, l + N / 2);
		assert_int_equal(fresh(), 2);
		for (unsigned i = 0; i < N; i++)
			if (!dies[i])
				order_gone_add(&gone, l + i);
		order_gone(&gone);
	}
	end(t), end(u), end(main);
}

static void test_forget_held(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t = born(main), *u = born(main);
	uint32_t a = locks(4), b = a + 1, c = a + 2, d = a + 3;
	take(t, a, W);
	take(t, b, W);
	order_forget(b);
	take(t, c, W);
	assert_int_not_equal(t->chain, 0);
	order_forget(a);
	take(t, d, W);
	assert_int_not_equal(t->chain, 0);
	drop_all(t);
	NEST(u, d, c);
	assert_int_equal(fresh(), 1);
	assert_int_equal(order_next_slow(&t->cache, t->id, t->seg, 0x7fffffff, NULL, 0, c, W, 1),
			 order_rebuild((struct order_hold[]){ { c, 1, W } }, 1));
	end(t), end(u), end(main);
}

static void test_short_lived(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t = born(main), *u = born(main);
	uint32_t g = locks(3), in = g + 1, out = g + 2;
	size_t bytes = 0;
	struct order_stats s0, s;
	order_stats(&s0);
	for (int i = 0; i < 300000; i++) {
		uint32_t m = locks(1), k = locks(1);
		NEST(i % 2 ? t : u, g, m, in);
		NEST(i % 2 ? u : t, m, k);
		NEST(i % 2 ? u : t, k, m, in);
		nest(t, 3, (uint32_t[]){ out, m, k }, (uint32_t[]){ W, TRY, W });
		order_forget(k);
		order_forget(m);
		if (i == 100000)
			bytes = arena_bytes();
	}
	assert_true(arena_bytes() - bytes < 2 << 20); /* directories of ids grow, nothing else */
	order_stats(&s);
	assert_true(s.chains - s0.chains < 64);
	assert_true(s.locks - s0.locks <= 3);
	assert_true(fresh() > 0);
	NEST(u, in, g);
	assert_int_equal(fresh(), 1); /* t's g-m-in */
	end(t), end(u), end(main);
}

/* ---- memory ---- */

static void test_no_memory(void **state)
{
	(void)state;
	if (fork() == 0) {
		struct thread *main = born(NULL), *t = born(main);
		arena_limit(arena_bytes() + (1 << 20));
		uint64_t nr = 0;
		for (int i = 0; i < 300000; i++) {
			uint32_t a = locks(2);
			NEST(i % 2 ? t : main, a, a + 1);
			NEST(i % 2 ? main : t, a + 1, a, a - 1);
			nr += fresh();
			if (i % 3 == 0)
				order_forget(a);
		}
		struct order_stats s;
		order_stats(&s);
		topo_check();
		_exit(s.dropped > 0 && nr > 0 && nr < 300000 ? 0 : 1);
	}
	int status = -1;
	wait(&status);
	assert_int_equal(status, 0);
}

static void test_cache_grows_and_goes(void **state)
{
	(void)state;
	struct thread *t = born(NULL);
	uint32_t l = locks(5001);
	assert_int_equal(t->cache.mask, 255);
	/* On top of one and the same, nothing on top of them: a bit each. */
	for (int round = 0; round < 30; round++)
		for (uint32_t i = 0; i < 5000; i++)
			NEST(t, l, l + 1 + i);
	assert_int_equal(t->cache.mask, 255);
	assert_in_range(order_cache_bytes(&t->cache), 5000, 16384);
	/* Each on top of another one. */
	for (int round = 0; round < 30; round++)
		for (uint32_t i = 0; i < 5000; i++)
			NEST(t, l + i, l + i + 1);
	assert_true(t->cache.mask + 1 >= 8192 && t->cache.mask + 1 <= 65536);
	end(t);
	size_t bytes = arena_bytes();
	for (int i = 0; i < 10000; i++) {
		t = born(NULL);
		NEST(t, l, l + 1);
		end(t);
	}
	assert_true(arena_bytes() - bytes < 1 << 20);
}

/* ---- looking at it ---- */

struct seen {
	uint32_t from, nr, held;
	unsigned stop;
};

static bool see(const struct order_dep *d, void *arg)
{
	struct seen *s = arg;
	if (d->lock < s->from)
		return true;
	s->nr++;
	s->held += d->nr_held;
	for (unsigned i = 0; i < d->nr_held; i++) {
		assert_int_equal(d->held[i].lock, s->from + i);
		assert_int_equal(d->held[i].stack % 100000, (s->from + i) % 5000);
	}
	return s->nr != s->stop;
}

static void test_each(void **state)
{
	(void)state;
	struct thread *t = born(NULL), *u = born(t);
	struct order_stats before, after;
	order_stats(&before);
	uint32_t l = locks(100);
	for (uint32_t i = 0; i < 100; i++)
		take(t, l + i, W);
	for (uint32_t i = 0; i < 50; i++)
		take(u, l + i, W);
	order_stats(&after);
	assert_int_equal(after.deps - before.deps, 99 + 49);
	assert_int_equal(after.edges - before.edges, 99 * 100 / 2);
	assert_int_equal(after.locks - before.locks, 100);
	assert_int_equal(after.chains - before.chains, 100);
	struct seen s = { .from = l };
	order_each(see, &s);
	assert_int_equal(s.nr, 99 + 49);
	assert_int_equal(s.held, 99 * 100 / 2 + 49 * 50 / 2);
	s = (struct seen){ .from = l, .stop = 10 };
	order_each(see, &s);
	assert_int_equal(s.nr, 10);
	end(t), end(u);
}

/* ---- several at once ---- */

enum { HAMMER_LOCKS = 40, HAMMER_ROUNDS = 15000 };
static uint32_t hammer_locks;
static _Atomic unsigned hammer_cycles;
static void count(const struct order_cycle *c)
{
	hammer_cycles += c->nr == 2;
}

static void *hammer(void *arg)
{
	struct thread *t = arg;
	uint64_t rng = t->id * 0x9e3779b97f4a7c15u;
	for (int i = 0; i < HAMMER_ROUNDS; i++) {
		uint32_t l[3];
		rng = rng * 6364136223846793005u + 1442695040888963407u;
		for (unsigned k = 0; k < 3; k++)
			l[k] = hammer_locks + (uint32_t)(rng >> (20 + 12 * k)) % (HAMMER_LOCKS - k * 10);
		for (unsigned k = 0; k < 3; k++)
			if (k == 0 || (l[k] != l[0] && (k == 1 || l[k] != l[1])))
				take(t, l[k], (rng >> 60) == k ? TRY : W);
		assert_int_not_equal(t->chain, 0);
		if (i % 5 == 0)
			drop(t, l[0]);
		drop_all(t);
		if (i % 64 == 0) {
			/* Cold caches: the slow half is what is tested. */
			order_cache_stop(&t->cache);
			order_cache_start(&t->cache);
		}
		if (i % 100 == 0) {
			/* A lock of our own that comes and goes. */
			uint32_t own = 0x70000000u + t->id * HAMMER_ROUNDS + (uint32_t)i;
			NEST(t, hammer_locks, own, hammer_locks + 1);
			order_forget(own);
		}
	}
	return NULL;
}

static void test_hammer(void **state)
{
	(void)state;
	pthread_t th[4];
	struct thread *main = born(NULL), *t[4];
	hammer_locks = locks(HAMMER_LOCKS);
	order_on_cycle(count);
	for (unsigned i = 0; i < 4; i++)
		t[i] = born(main);
	for (unsigned i = 0; i < 4; i++)
		pthread_create(&th[i], NULL, hammer, t[i]);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(th[i], NULL);
	/* Every pair of the locks that all three places draw from was taken both ways round by all. */
	assert_in_range(hammer_cycles, 20 * 19 / 2, HAMMER_LOCKS * (HAMMER_LOCKS - 1) / 2);
	for (unsigned i = 0; i < 4; i++)
		end(t[i]);
	end(main);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ORDER_TEST(test_many_threads),
		ORDER_TEST(test_65_held),
		ORDER_TEST(test_1000_held),
		ORDER_TEST(test_5000_held),
		ORDER_TEST(test_dead_lock_is_another),
		ORDER_TEST(test_order_survives),
		ORDER_TEST(test_chains_without_number),
		ORDER_TEST(test_too_many_edges),
		ORDER_TEST(test_gone_together),
		ORDER_TEST(test_forget_held),
		ORDER_TEST(test_short_lived),
		ORDER_TEST(test_no_memory),
		ORDER_TEST(test_cache_grows_and_goes),
		ORDER_TEST(test_each),
		ORDER_TEST(test_hammer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
