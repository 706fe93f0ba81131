/*
 * test_order_random.c - The lock-order graph against a naive twin: random programs; the twin keeps every dependency
 * there ever was and tries every ring of them by brute force. No trie, no plain graph, no domination, no create/join
 * search.
 *
 * A ring reported must be one of the twin's, by locks and modes; every ring of the twin's must be reported, unless it
 * contains both locks of a reported ring of two. The seed of a failing round is printed: run with SEED=n to repeat it,
 * ROUNDS=n for more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "detect/chain.h"
#include "detect/order.h"
#include "detect/segment.h"
#include "detect/topo.h"

enum { MAX_THREADS = 7, MAX_LOCKS = 8, MAX_HELD = 6, MAX_DEPS = 4096, MAX_RING = 6, MAX_SETS = 4096, MAX_EVENTS = 512 };

static uint64_t rng;
static uint32_t rnd(uint32_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)((rng >> 20) % n);
}

struct dep {
	uint32_t thread, seg, lock, key, nr;
	uint32_t event; /* index into the happens-before matrix */
	struct order_hold held[MAX_HELD];
};

static struct dep deps[MAX_DEPS], writes[MAX_DEPS];
static unsigned nr_deps, nr_writes;

/* Create/join order by bit sets over (thread, segment): knows[i] holds all segments that are before segment i. */
static struct moment {
	uint32_t thread, seg;
	uint8_t knows[MAX_EVENTS / 8];
} moments[MAX_EVENTS];
static unsigned nr_moments;

struct thread {
	uint32_t id, seg, moment;
	bool alive, joined;
	struct order_cache cache;
	uint32_t chain, below, nr; /* chain may be ORDER_LATER: the last lock held, on top of below */
	struct order_hold held[MAX_HELD];
};
static struct thread threads[MAX_THREADS];
static unsigned nr_threads;
static uint32_t next_thread = 1, next_lock = 1, first_lock;
static unsigned nr_locks;
static uint32_t lock_id[MAX_LOCKS]; /* now; each death gives a new one */
static bool rw[MAX_LOCKS], prefers[MAX_LOCKS], id_prefers[1024];

static bool question(uint32_t lock)
{
	return id_prefers[lock - first_lock];
}

static bool twin_ordered(uint32_t a, uint32_t b)
{
	return a == b || (moments[a].knows[b / 8] >> b % 8 & 1) || (moments[b].knows[a / 8] >> a % 8 & 1);
}

static uint32_t moment(struct thread *t, uint32_t after1, uint32_t after2)
{
	assert_true(nr_moments < MAX_EVENTS);
	struct moment *m = &moments[nr_moments];
	*m = (struct moment){ .thread = t->id, .seg = t->seg };
	uint32_t after[2] = { after1, after2 };
	for (int i = 0; i < 2; i++)
		if (after[i] != UINT32_MAX) {
			for (unsigned k = 0; k < sizeof m->knows; k++)
				m->knows[k] |= moments[after[i]].knows[k];
			m->knows[after[i] / 8] |= (uint8_t)(1u << after[i] % 8);
		}
	return nr_moments++;
}

/* ---- what is reported ---- */

struct ring {
	unsigned nr;
	bool timed;
	uint64_t at[MAX_RING]; /* lock << 2 | wanted reading << 1 | held reading, sorted */
};

static struct ring said[MAX_SETS], truth[MAX_SETS], excused[MAX_SETS];
static unsigned nr_said, nr_truth, nr_excused;

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static bool ring_same(const struct ring *a, const struct ring *b)
{
	return a->nr == b->nr && !memcmp(a->at, b->at, a->nr * sizeof a->at[0]);
}

static bool ring_in(const struct ring *r, const struct ring *set, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		if (ring_same(r, &set[i]))
			return true;
	return false;
}

static void ring_add(struct ring *set, unsigned *nr, const struct ring *r)
{
	assert_true(*nr < MAX_SETS);
	set[(*nr)++] = *r;
}

static bool ring_of(const struct dep *const *d, unsigned nr, struct ring *r)
{
	*r = (struct ring){ .nr = nr };
	for (unsigned i = 0; i < nr; i++) {
		const struct dep *next = d[(i + 1) % nr];
		unsigned h = 0;
		while (h < next->nr && next->held[h].lock != d[i]->lock)
			h++;
		if (h == next->nr)
			return false;
		r->at[i] = (uint64_t)d[i]->lock << 2 | (d[i]->key & 1) << 1 | (next->held[h].key & 1);
		r->timed |= d[i]->key & ORDER_TIMED;
	}
	qsort(r->at, nr, sizeof r->at[0], by_value);
	return true;
}

/* ---- the rules, written down naively ---- */

static bool exclude(const struct dep *a, const struct dep *b)
{
	for (unsigned i = 0; i < a->nr; i++)
		for (unsigned j = 0; j < b->nr; j++)
			if (a->held[i].lock == b->held[j].lock && !(a->held[i].key & b->held[j].key & 1))
				return true;
	return false;
}

static bool beside(const struct dep *a, const struct dep *b)
{
	return a->thread != b->thread && !twin_ordered(a->event, b->event) && !exclude(a, b);
}

/* Does a's wish wait for what b holds, in a ring of these? */
static bool waits(const struct dep *a, const struct dep *b, const struct dep *const *ring, unsigned nr)
{
	for (unsigned i = 0; i < b->nr; i++) {
		if (b->held[i].lock != a->lock)
			continue;
		if (!(a->key & b->held[i].key & 1))
			return true;
		if (!question(a->lock))
			return false;
		for (unsigned w = 0; w < nr_writes; w++) {
			bool fit = writes[w].lock == a->lock && !twin_ordered(writes[w].event, a->event) &&
				   !twin_ordered(writes[w].event, b->event);
			for (unsigned k = 0; k < nr && fit; k++)
				fit = ring[k]->thread != writes[w].thread;
			if (fit)
				return true;
		}
		return false;
	}
	return false;
}

static void try_ring(const struct dep **d, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		if (!waits(d[i], d[(i + 1) % nr], d, nr))
			return;
		for (unsigned j = 0; j < i; j++)
			if (d[j]->lock == d[i]->lock)
				return;
	}
	struct ring r;
	if (ring_of(d, nr, &r) && !ring_in(&r, truth, nr_truth))
		ring_add(truth, &nr_truth, &r);
}

static bool holds(const struct dep *d, uint32_t lock)
{
	for (unsigned i = 0; i < d->nr; i++)
		if (d->held[i].lock == lock)
			return true;
	return false;
}

static void extend(const struct dep **d, unsigned nr)
{
	if (nr >= 2 && holds(d[0], d[nr - 1]->lock))
		try_ring(d, nr);
	if (nr == MAX_RING)
		return;
	for (unsigned i = 0; i < nr_deps; i++) {
		/* The first one of a ring is the lowest. */
		if (&deps[i] <= d[0] || !holds(&deps[i], d[nr - 1]->lock))
			continue;
		bool fit = true;
		for (unsigned j = 0; j < nr && fit; j++)
			fit = beside(&deps[i], d[j]) && deps[i].lock != d[j]->lock;
		if (!fit)
			continue;
		d[nr] = &deps[i];
		extend(d, nr + 1);
	}
}

static void twin(void)
{
	nr_truth = 0;
	for (unsigned i = 0; i < nr_deps; i++) {
		const struct dep *d[MAX_RING] = { &deps[i] };
		extend(d, 1);
	}
}

/* ---- the program ---- */

static void report(const struct order_cycle *c)
{
	struct dep copy[MAX_RING];
	const struct dep *d[MAX_RING];
	struct ring r;
	assert_true(c->nr >= 2 && c->nr <= MAX_RING);
	for (unsigned i = 0; i < c->nr; i++) {
		copy[i] = (struct dep){ .thread = c->dep[i].thread,
					.lock = c->dep[i].lock,
					.key = c->dep[i].key,
					.nr = c->dep[i].nr_held };
		memcpy(copy[i].held, c->dep[i].held, c->dep[i].nr_held * sizeof copy[i].held[0]);
		d[i] = &copy[i];
		/* The very dependency, with its stacks, must have been there. */
		bool there = false;
		for (unsigned k = 0; k < nr_deps && !there; k++)
			there = deps[k].thread == c->dep[i].thread && deps[k].seg == c->dep[i].seg &&
				deps[k].lock == c->dep[i].lock && deps[k].key == c->dep[i].key &&
				deps[k].nr == c->dep[i].nr_held &&
				!memcmp(deps[k].held, c->dep[i].held, deps[k].nr * sizeof deps[k].held[0]);
		assert_true(there);
	}
	assert_true(ring_of(d, c->nr, &r));
	assert_int_equal(r.timed, c->timed);
	assert_false(ring_in(&r, said, nr_said));
	ring_add(said, &nr_said, &r);
}

static bool dep_same(const struct dep *a, const struct dep *b)
{
	return a->event == b->event && a->lock == b->lock && a->key == b->key && a->nr == b->nr &&
	       !memcmp(a->held, b->held, a->nr * sizeof a->held[0]);
}

static void take(struct thread *t)
{
	uint32_t l = rnd(nr_locks), lock = lock_id[l];
	if (t->nr == MAX_HELD || t->nr > rnd(MAX_HELD))
		return;
	for (unsigned i = 0; i < t->nr; i++)
		if (t->held[i].lock == lock)
			return;
	uint32_t key = rw[l] && rnd(2) ? ORDER_READ : ORDER_WRITE, how = rnd(8);
	key |= how == 0 ? ORDER_TRY : how == 1 ? ORDER_TIMED : ORDER_BLOCK;
	/* One stack per (thread, lock, held): so that stacks are checked although the latest occurrence replaces
	 * earlier ones. */
	uint32_t stack = 1000 * t->id + lock % 1000;
	struct dep d = { .thread = t->id, .seg = t->seg, .lock = lock, .key = key, .nr = t->nr, .event = t->moment };
	memcpy(d.held, t->held, t->nr * sizeof d.held[0]);
	if (!(key & ORDER_TRY)) {
		bool old = !t->nr;
		for (unsigned i = 0; i < nr_deps && !old; i++)
			old = dep_same(&deps[i], &d);
		if (!old) {
			assert_true(nr_deps < MAX_DEPS);
			deps[nr_deps++] = d;
		}
		if (!(key & ORDER_READ) && prefers[l] && nr_writes < MAX_DEPS)
			writes[nr_writes++] = d;
	}
	if (t->chain == ORDER_LATER)
		t->chain = order_resume(&t->cache, t->seg, t->held, t->nr, t->nr - 1, t->below, NULL);
	t->below = t->chain;
	uint32_t next = order_step(&t->cache, t->chain, lock, key, t->seg);
	if (!next)
		next = order_next_slow(&t->cache, t->id, t->seg, t->chain, t->held, t->nr, lock, key, stack);
	assert_int_not_equal(next, 0);
	t->chain = next;
	t->held[t->nr++] = (struct order_hold){ lock, stack, key };
}

static void drop(struct thread *t)
{
	unsigned i = rnd(3) ? t->nr - 1 : rnd(t->nr);
	memmove(&t->held[i], &t->held[i + 1], (t->nr - i - 1) * sizeof t->held[0]);
	t->nr--;
	t->chain = order_rebuild(t->held, t->nr);
	assert_true(t->nr == 0 || t->chain);
}

static void born(struct thread *parent)
{
	struct thread *t = &threads[nr_threads++];
	*t = (struct thread){ .id = next_thread++, .alive = true };
	order_cache_start(&t->cache);
	uint32_t before = UINT32_MAX;
	if (parent) {
		before = parent->moment;
		segment_born(t->id, parent->id, parent->seg++);
		parent->moment = moment(parent, parent->moment, UINT32_MAX);
	}
	t->moment = moment(t, before, UINT32_MAX);
}

static void join(struct thread *t, struct thread *child)
{
	child->alive = false;
	child->joined = true;
	order_cache_stop(&child->cache);
	t->seg++;
	t->moment = moment(t, t->moment, child->moment);
	segment_joined(child->id, t->id, t->seg);
}

static void check_segments(void)
{
	for (unsigned a = 0; a < nr_moments; a++)
		for (unsigned b = 0; b < nr_moments; b++)
			if (segment_ordered(moments[a].thread, moments[a].seg, moments[b].thread, moments[b].seg) !=
			    (moments[a].thread == moments[b].thread || twin_ordered(a, b)))
				fail_msg("segments (%u,%u) (%u,%u)", moments[a].thread, moments[a].seg,
					 moments[b].thread, moments[b].seg);
}

static void compare(void)
{
	twin();
	topo_check();
	for (unsigned i = 0; i < nr_said; i++)
		if (!ring_in(&said[i], truth, nr_truth) && !ring_in(&said[i], excused, nr_excused))
			fail_msg("reported, but no ring of %u", said[i].nr);
	for (unsigned i = 0; i < nr_truth; i++) {
		bool fine = ring_in(&truth[i], said, nr_said) || ring_in(&truth[i], excused, nr_excused);
		for (unsigned j = 0; j < nr_said && !fine; j++) {
			unsigned in = 0;
			for (unsigned k = 0; said[j].nr == 2 && truth[i].nr > 2 && k < truth[i].nr; k++)
				in += truth[i].at[k] >> 2 == said[j].at[0] >> 2 ||
				      truth[i].at[k] >> 2 == said[j].at[1] >> 2;
			fine = in == 2;
		}
		if (!fine)
			fail_msg("missed a ring of %u", truth[i].nr);
	}
}

static void new_id(unsigned l)
{
	lock_id[l] = next_lock++;
	assert_true(lock_id[l] - first_lock < sizeof id_prefers);
	id_prefers[lock_id[l] - first_lock] = prefers[l];
}

/* A lock dies in the middle of it: the dependencies go on without it. Rings that only come of that are not searched
 * for. */
static void die(unsigned l)
{
	uint32_t dead = lock_id[l];
	for (unsigned i = 0; i < nr_threads; i++)
		for (unsigned h = 0; threads[i].alive && h < threads[i].nr; h++)
			if (threads[i].held[h].lock == dead)
				return;
	compare();
	order_forget(dead);
	unsigned nr = 0;
	for (unsigned i = 0; i < nr_deps; i++) {
		struct dep d = deps[i];
		unsigned left = 0;
		for (unsigned h = 0; h < d.nr; h++)
			if (d.held[h].lock != dead)
				d.held[left++] = d.held[h];
		d.nr = left;
		if (d.lock != dead && left)
			deps[nr++] = d;
	}
	nr_deps = nr;
	for (unsigned i = 0; i < nr_said; i++)
		if (!ring_in(&said[i], excused, nr_excused))
			ring_add(excused, &nr_excused, &said[i]);
	twin();
	for (unsigned i = 0; i < nr_truth; i++)
		if (!ring_in(&truth[i], excused, nr_excused))
			ring_add(excused, &nr_excused, &truth[i]);
	new_id(l);
}

static void round_of(uint64_t seed)
{
	rng = seed * 0x9e3779b97f4a7c15u | 1;
	for (int i = 0; i < 8; i++)
		rnd(2);
	nr_deps = nr_writes = nr_moments = nr_said = nr_excused = nr_threads = 0;
	nr_locks = 2 + rnd(MAX_LOCKS - 1);
	first_lock = next_lock;
	bool rws = rnd(2), creates = rnd(2), dies = rnd(3) == 0;
	for (unsigned i = 0; i < nr_locks; i++) {
		rw[i] = rws && rnd(2);
		prefers[i] = rw[i] && rnd(2);
		new_id(i);
	}
	unsigned steps = 10 + rnd(90), start = 1 + rnd(3);
	born(NULL);
	for (unsigned i = 1; i < start; i++)
		born(&threads[0]);
	while (steps--) {
		struct thread *t = &threads[rnd(nr_threads)];
		unsigned what = rnd(20);
		if (!t->alive)
			continue;
		if (what == 0 && nr_threads < MAX_THREADS && creates) {
			born(t);
		} else if (what == 1 && creates && nr_moments < MAX_EVENTS - 4) {
			struct thread *u = &threads[rnd(nr_threads)];
			if (u != t && u->alive && !u->nr && u != &threads[0])
				join(t, u);
		} else if (what < 8 && t->nr) {
			drop(t);
		} else if (what == 8 && dies) {
			die(rnd(nr_locks));
		} else {
			take(t);
		}
	}
	for (unsigned i = 0; i < nr_threads; i++)
		if (threads[i].alive)
			order_cache_stop(&threads[i].cache);
	compare();
	check_segments();
	struct order_gone gone = { .more = NULL };
	/* The next round has other locks. Half of the rounds' locks die, the others' chains stay in the way. */
	for (unsigned i = 0; i < nr_locks && rnd(2); i++)
		order_gone_add(&gone, lock_id[i]);
	order_gone(&gone);
	topo_check();
}

static void test_against_twin(void **state)
{
	(void)state;
	const char *seed = getenv("SEED"), *rounds = getenv("ROUNDS");
	uint64_t first = seed ? strtoull(seed, NULL, 0) : 1, nr = seed ? 1 : rounds ? strtoull(rounds, NULL, 0) : 6000;
	uint64_t rings = 0, longer = 0, told = 0;
	order_on_cycle(report);
	order_on_question(question);
	for (uint64_t s = first; s < first + nr; s++) {
		if (getenv("LOUD"))
			print_message("seed %llu\n", (unsigned long long)s);
		static uint64_t now;
		now = s;
		round_of(now);
		rings += nr_truth;
		told += nr_said;
		for (unsigned i = 0; i < nr_truth; i++)
			longer += truth[i].nr > 2;
	}
	print_message("%llu rounds, %llu rings (%llu longer than 2), %llu told\n", (unsigned long long)nr,
		      (unsigned long long)rings, (unsigned long long)longer, (unsigned long long)told);
	struct order_stats st;
	order_stats(&st);
	assert_int_equal(st.dropped, 0);
	assert_int_equal(st.cut, 0);
	assert_int_equal(st.cycles, told);
	order_on_question(NULL);
	order_on_cycle(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_against_twin) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
