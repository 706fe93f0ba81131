/*
 * test_hybrid.c - races=hybrid against a twin that keeps every event and all that comes before it: scripts of events, without threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/object.h"
#include "core/thread.h"
#include "detect/guard.h"
#include "detect/hybrid.h"
#include "detect/order.h"
#include "detect/race.h"
#include "detect/verbs.h"

static uint32_t next_thread;
static struct race_report last;
static unsigned found, by_chance;

static void on_race(struct thread *t, const struct race_report *r)
{
	(void)t;
	last = *r;
	found++;
	by_chance += r->chance;
}

static struct guard_report unguarded;
static unsigned nr_unguarded;

static void on_unguarded(const struct guard_report *r)
{
	unguarded = *r;
	nr_unguarded++;
}

static unsigned races(void)
{
	unsigned n = found;
	found = by_chance = 0;
	return n;
}

static struct thread *born(struct thread *parent)
{
	struct thread *t = calloc(1, sizeof *t);
	assert_non_null(t);
	t->id = ++next_thread;
	t->held = calloc(8, sizeof *t->held);
	t->room = 8;
	if (parent)
		race_thread_created(parent, t->id);
	race_thread_started(t);
	return t;
}

static void over(struct thread *t, struct thread *joiner)
{
	race_thread_ended(t);
	if (joiner)
		race_thread_joined(joiner, t->id);
	free(t->held);
	free(t);
}

static uintptr_t memory(size_t bytes)
{
	static uintptr_t at = 0x7000000000;
	uintptr_t p = at;
	at += (bytes + 63) & ~63ul;
	return p;
}

static bool access(struct thread *t, uintptr_t addr, unsigned bytes, bool write, uint32_t stack)
{
	return access_fast(t->race, addr, bytes, write, stack) || access_fast_hybrid(t, addr, bytes, write, stack) ||
	       access_seen(t, addr, bytes, write, stack);
}

static void take(struct thread *t, uintptr_t lock)
{
	t->held[t->nr_held] = (struct held){ .addr = lock, .lock = (uint32_t)(lock & 0xfffffff), .count = 1, .key = ORDER_BLOCK,
					     .family = FAMILY_MUTEX };
	t->nr_held++;
	happens_after_slow(t, lock);
}

static void give(struct thread *t, uintptr_t lock)
{
	uint32_t i = 0;
	while (t->held[i].addr != lock)
		i++;
	memmove(&t->held[i], &t->held[i + 1], (t->nr_held - i - 1) * sizeof *t->held);
	t->nr_held--;
	happens_before_slow(t, lock);
}

static void touch(struct thread *t, uintptr_t lock, uintptr_t addr, uint32_t stack)
{
	take(t, lock);
	access(t, addr, 8, true, stack);
	give(t, lock);
}

static void test_chance(void **state)
{
	(void)state;
	struct thread *m = born(NULL), *a = born(m), *b = born(m);
	uintptr_t x = memory(64), lock = memory(64), p = memory(64), q = memory(64);
	races();
	/* Sections that share nothing. */
	access(a, x, 8, true, 11);
	touch(a, lock, p, 1);
	touch(b, lock, q, 2);
	access(b, x, 8, true, 12);
	assert_int_equal(by_chance, 1);
	assert_int_equal(races(), 1);
	assert_int_equal(last.now.stack, 12);
	assert_int_equal(last.before.stack, 11);
	assert_int_equal(last.before.thread, a->id);
	/* Told once: the newer one speaks for both. */
	access(b, x, 8, true, 13);
	assert_int_equal(races(), 0);
	/* What race.h tells is not told twice. */
	access(a, x, 8, true, 14);
	assert_int_equal(by_chance, 0);
	assert_int_equal(races(), 1);
	/* They share q. */
	x = memory(64);
	access(b, x, 8, true, 1);
	touch(b, lock, q, 2);
	touch(a, lock, q, 2);
	access(a, x, 8, true, 1);
	assert_int_equal(races(), 0);
	/* Freed memory is somebody else's, and nobody's before. */
	x = memory(64);
	access(a, x, 8, true, 1);
	touch(a, lock, p, 1);
	touch(b, lock, q + 8, 2);
	mem_fresh(b, x, 64, 3);
	access(b, x, 8, true, 1);
	assert_int_equal(races(), 0);
	/* Another lock in common is enough. */
	uintptr_t common = memory(64);
	x = memory(64);
	take(a, common);
	access(a, x, 8, true, 1);
	give(a, common);
	touch(a, lock, p, 1);
	touch(b, lock, q + 16, 2);
	take(b, common);
	access(b, x, 8, true, 1);
	give(b, common);
	assert_int_equal(races(), 0);
	over(a, m);
	over(b, m);
	over(m, NULL);
}

static void test_usual(void **state)
{
	(void)state;
	struct thread *m = born(NULL), *a = born(m), *b = born(m);
	uintptr_t x = memory(64), lock = memory(64);
	struct guard_usual u;
	races();
	assert_false(guard_usual(x, &u));
	for (unsigned i = 0; i < 10; i++)
		touch(i & 1 ? b : a, lock, x, 1);
	assert_true(guard_usual(x, &u));
	assert_int_equal(u.lock, lock & 0xfffffff);
	assert_int_equal(u.held, 9); /* the first one was there alone */
	assert_int_equal(u.all, 9);
	touch(a, lock, x, 1);
	access(a, x, 8, true, 2);
	assert_true(guard_usual(x + 7, &u));
	assert_int_equal(u.held, 10);
	assert_int_equal(u.all, 11);
	assert_int_equal(nr_unguarded, 1);
	assert_int_equal(unguarded.bad.stack, 2);
	assert_int_equal(unguarded.bad.thread, a->id);
	assert_int_equal(unguarded.good.thread, b->id);
	assert_int_equal(unguarded.usual.held, 10);
	assert_int_equal(unguarded.usual.all, 11);
	assert_int_equal(races(), 0);
	mem_gone(a, x, 64, 3);
	assert_false(guard_usual(x, &u));
	over(a, m);
	over(b, m);
	over(m, NULL);
}

/* ---- at random ---------------------------------------------------------------------------------------------------- */

enum { T = 4, LOCKS = 3, PLACES = 5, KEYS = 2, EVENTS = 120, WORDS = (EVENTS + 63) / 64 };

struct set {
	uint64_t w[WORDS];
};

struct event {
	enum { TAKE, GIVE, SEND, RECV, ACCESS } what;
	unsigned thread, which; /* lock, key or place */
	bool write, opaque;     /* a section's end: nothing was written in it */
	unsigned begin;         /* its TAKE */
	struct set weak, strong; /* what comes before, by the two orders, itself included */
	bool holds[LOCKS];
	unsigned section[LOCKS]; /* TAKE of those held */
};

static struct event ev[EVENTS];
static unsigned nr_ev;

static void add(struct set *s, const struct set *o)
{
	for (unsigned i = 0; i < WORDS; i++)
		s->w[i] |= o->w[i];
}

static bool in(const struct set *s, unsigned e) { return s->w[e / 64] >> e % 64 & 1; }

static bool conflicts(const struct event *x, const struct event *y)
{
	return x->what == ACCESS && y->what == ACCESS && x->which == y->which && x->thread != y->thread && (x->write || y->write);
}

/* Did the section that ended at `end` touch what e touches? */
static bool touched(unsigned end, const struct event *e)
{
	for (unsigned i = ev[end].begin; i < end; i++)
		if (ev[i].thread == ev[end].thread && conflicts(&ev[i], e))
			return true;
	return false;
}

static bool wrote(unsigned from, unsigned to, unsigned thread)
{
	for (unsigned i = from; i < to; i++)
		if (ev[i].thread == thread && ev[i].what == ACCESS && ev[i].write)
			return true;
	return false;
}

/* The event is added with all that comes before it. True: it is in a race, with *chance if only by the weak order. */
static bool twin(struct event *e, const unsigned *newest, bool *chance)
{
	unsigned now = nr_ev;
	struct set weak = { { 0 } }, strong = { { 0 } };
	bool race = false;
	*chance = false;
	if (newest[e->thread] != EVENTS) {
		weak = ev[newest[e->thread]].weak;
		strong = ev[newest[e->thread]].strong;
	}
	for (unsigned i = 0; i < now; i++) {
		if (e->what == RECV && ev[i].what == SEND && ev[i].which == e->which) {
			add(&weak, &ev[i].weak);
			add(&strong, &ev[i].strong);
		}
		if (ev[i].what != GIVE)
			continue;
		if (e->what == TAKE && ev[i].which == e->which) {
			add(&strong, &ev[i].strong);
			if (ev[i].opaque)
				add(&weak, &ev[i].weak);
		}
		if (e->what == GIVE && ev[i].which == e->which && e->opaque)
			add(&weak, &ev[i].weak);
		if (e->what == ACCESS && e->holds[ev[i].which] && ev[i].thread != e->thread && touched(i, e))
			add(&weak, &ev[i].weak);
	}
	weak.w[now / 64] |= 1ull << now % 64;
	strong.w[now / 64] |= 1ull << now % 64;
	e->weak = weak;
	e->strong = strong;
	ev[nr_ev++] = *e;
	for (unsigned i = 0; i < now; i++) {
		if (!conflicts(&ev[i], e) || (in(&strong, i) && in(&weak, i)))
			continue;
		if (!in(&strong, i)) {
			*chance = false;
			return true;
		}
		bool excused = false;
		for (unsigned l = 0; l < LOCKS && !excused; l++) {
			excused = ev[i].holds[l] && e->holds[l];
			if (e->holds[l] && !wrote(e->section[l], now, e->thread))
				for (unsigned k = 0; k < now && !excused; k++)
					excused = ev[k].what == GIVE && ev[k].which == l && in(&ev[k].weak, i);
		}
		*chance |= !excused;
		race |= !excused;
	}
	return race;
}

static uint64_t seed = 88172645463325252ull;
static unsigned dice(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 20) % n;
}

static unsigned agree, agree_chance, lost, invented, other_kind;

/* Would it be in no order at all? Most such are left out, or there would be nothing else. */
static bool plain_race(const struct event *e, const unsigned *newest)
{
	for (unsigned i = 0; i < nr_ev; i++)
		if (conflicts(&ev[i], e) && (newest[e->thread] == EVENTS || !in(&ev[newest[e->thread]].strong, i)))
			return true;
	return false;
}

static void script(void)
{
	struct thread *m = born(NULL), *t[T];
	unsigned newest[T], owner[LOCKS], begin[LOCKS], nr = 2 + dice(T - 1);
	uintptr_t x = memory(8 * PLACES), locks = memory(64 * LOCKS), keys = memory(64 * KEYS);
	nr_ev = 0;
	for (unsigned i = 0; i < nr; i++) {
		t[i] = born(m);
		newest[i] = EVENTS;
	}
	for (unsigned l = 0; l < LOCKS; l++)
		owner[l] = T;
	races();
	for (unsigned tries = 0; nr_ev < EVENTS && tries < 10 * EVENTS; tries++) {
		struct event e = { .thread = dice(nr) };
		struct thread *u = t[e.thread];
		unsigned what = dice(20);
		bool chance;
		if (what < 8) {
			e.which = dice(LOCKS);
			if (owner[e.which] != T && owner[e.which] != e.thread)
				continue;
			e.what = owner[e.which] == T ? TAKE : GIVE;
		} else if (what < 9) {
			e.which = dice(KEYS);
			e.what = dice(2) ? SEND : RECV;
		} else {
			e.which = dice(PLACES);
			e.what = ACCESS;
			e.write = dice(3) == 0;
			if (plain_race(&e, newest) && dice(1000))
				continue;
		}
		for (unsigned l = 0; l < LOCKS; l++) {
			e.holds[l] = owner[l] == e.thread;
			e.section[l] = begin[l];
		}
		switch (e.what) {
		case TAKE:
			take(u, locks + 64 * e.which);
			owner[e.which] = e.thread;
			begin[e.which] = nr_ev;
			break;
		case GIVE:
			give(u, locks + 64 * e.which);
			owner[e.which] = T;
			e.begin = begin[e.which];
			e.opaque = !wrote(e.begin, nr_ev, e.thread);
			break;
		case SEND:
			sync_send(u, keys + 64 * e.which);
			break;
		case RECV:
			sync_recv(u, keys + 64 * e.which);
			break;
		case ACCESS:
			access(u, x + 8 * e.which, 8, e.write, 1 + nr_ev);
			break;
		}
		bool theirs = twin(&e, newest, &chance), ours_chance = by_chance > 0, ours = races() > 0;
		newest[e.thread] = nr_ev - 1;
		if (!ours && !theirs)
			continue;
		agree += ours && theirs;
		agree_chance += ours && theirs && chance && ours_chance;
		other_kind += ours && theirs && chance != ours_chance;
		lost += !ours;
		invented += !theirs;
		break;
	}
	for (unsigned i = 0; i < nr; i++)
		over(t[i], m);
	over(m, NULL);
}

static void test_random(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20000; i++)
		script();
	print_message("%u agree (%u by chance), %u of another kind, %u lost, %u invented\n", agree, agree_chance, other_kind, lost, invented);
	assert_int_equal(invented, 0);
	assert_true(agree_chance > 1000);
	assert_true(lost * 2 < agree);
}

static int start(void **state)
{
	(void)state;
	race_hybrid = true;
	guard_tell = on_unguarded;
	return race_start(NULL, on_race) ? 0 : 1;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_chance), cmocka_unit_test(test_usual), cmocka_unit_test(test_random) };
	return cmocka_run_group_tests(tests, start, NULL);
}
