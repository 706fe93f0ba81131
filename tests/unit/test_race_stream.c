/*
 * test_race_stream.c - Loops that are recorded ahead: nothing is ever said of what they did not do, and little of what they did is
 * lost. Each thread has a plane, as the emitted code sees it.
 */
#include "race_script.h"

#include "detect/race_stream.h"

enum { GRANULES = 512, WORDS = 2 * GRANULES, T = 4 };

struct worker {
	struct thread *t;
	uint64_t tag;
	uint8_t plane[8 * GRANULES];
	struct race_stream streams[STREAMS];
};

static uintptr_t base;
static unsigned asked, hits;

static struct worker *worker(struct thread *parent)
{
	struct worker *w = calloc(1, sizeof *w);
	assert_non_null(w);
	w->t = born(parent);
	w->tag = race_tls.write_tag & 255;
	return w;
}

static void gone(struct worker *w, struct thread *joiner)
{
	over(w->t, joiner);
	free(w);
}

/* All threads of this test share race_tls: its own tag at each release. */
static void send(struct worker *w, uintptr_t key)
{
	uint32_t before = race_clock(w->t->race);
	sync_send(w->t, key);
	if (race_clock(w->t->race) != before)
		w->tag = race_tls.write_tag & 255;
}

/* As watch/miss.c and the code before it. */
static void touch(struct worker *w, unsigned at, unsigned bytes, bool write, uint32_t stack)
{
	bool hit = true;
	struct race_thread *rt = w->t->race;
	uintptr_t addr = base + at;
	for (unsigned b = at; b < at + bytes; b++)
		hit &= (write ? w->plane[b] : w->plane[b] | 1) == w->tag;
	if (hit) {
		hits++;
		return;
	}
	asked++;
	struct granule *g = shadow_granule(addr);
	struct race_stream *s = &w->streams[stack % STREAMS];
	bool ahead = g && race_stream_step(s, rt, stack, addr & ~7ul, g);
	bool fast = access_fast(rt, addr, bytes, write, stack);
	if (!fast && !access_seen(w->t, addr, bytes, write, stack))
		return;
	for (unsigned b = at; b < at + bytes; b++)
		w->plane[b] = (uint8_t)(write ? w->tag : w->tag & ~1ull);
	if (ahead && fast)
		race_stream_copy(s, rt, g, (uint64_t *)(void *)(w->plane + (at & ~7u)));
}

static void loop(struct worker *w, unsigned from, unsigned to, bool write, uint32_t stack)
{
	for (unsigned i = from; i < to; i++)
		touch(w, 4 * i, 4, write, stack);
}

static void fresh(struct thread *m, struct worker *a, struct worker *b)
{
	struct worker *w[] = { a, b };
	for (unsigned i = 0; i < 2; i++)
		if (w[i])
			memset(w[i]->plane, 0, sizeof w[i]->plane);
	base = memory(8 * GRANULES + 4096);
	base = (base + 4095) & ~4095ul;
	access(m, base, 8, true, 99); /* there is a shadow now */
	mem_fresh(m, base, 8 * GRANULES, 1);
	races();
}

static void test_rounds(void **state)
{
	(void)state;
	struct thread *m = born(NULL);
	struct worker *a = worker(m), *b = worker(m);
	uintptr_t lock = memory(64);
	fresh(m, a, b);
	/* Exact the first time; nearly all ahead from then on. */
	for (unsigned round = 0; round < 10; round++) {
		asked = hits = 0;
		loop(a, 0, WORDS, false, 1);
		loop(a, 0, WORDS, round & 1, 2 + (round & 1));
		assert_int_equal(asked + hits, 2 * WORDS);
		if (round > 2)
			assert_in_range(asked, 2, WORDS / 4);
		else if (!round)
			assert_int_equal(asked, WORDS);
		send(a, lock);
	}
	assert_int_equal(races(), 0);
	/* In order. */
	sync_recv(b->t, lock);
	loop(b, 0, WORDS, true, 5);
	assert_int_equal(races(), 0);
	/* Another thread's are gone through alike, once they are in order. */
	for (unsigned round = 0; round < 3; round++) {
		send(b, lock);
		sync_recv(a->t, lock);
		asked = 0;
		loop(a, 0, WORDS, true, 3);
		assert_in_range(asked, 2, WORDS / 4);
		send(a, lock);
		sync_recv(b->t, lock);
		loop(b, 0, WORDS, true, 5);
	}
	assert_int_equal(races(), 0);
	/* In none: told for every stretch. */
	loop(a, 0, WORDS, true, 3);
	unsigned n = races();
	assert_in_range(n, GRANULES / STREAM_MAX, WORDS);
	gone(a, m);
	gone(b, m);
	over(m, NULL);
}

/* What a loop did not do this time is nobody's race. */
static void test_stops_short(void **state)
{
	(void)state;
	struct thread *m = born(NULL);
	struct worker *a = worker(m), *b = worker(m);
	uintptr_t lock = memory(64);
	for (unsigned stop = 1; stop < WORDS; stop += 37) {
		fresh(m, a, b);
		for (unsigned round = 0; round < 3; round++) {
			loop(a, 0, WORDS, true, 1);
			send(a, lock);
		}
		sync_recv(b->t, lock);
		/* The last time it stops; the rest is the other's by agreement, neither being told of the other any more. */
		loop(a, 0, stop, true, 1);
		loop(b, stop, WORDS, true, 2);
		assert_int_equal(races(), 0);
		loop(b, stop, WORDS, false, 3);
		loop(a, 0, stop, true, 1);
		assert_int_equal(races(), 0);
		/* Here they do meet. */
		touch(b, 0, 4, true, 4);
		assert_int_equal(races(), 1);
	}
	gone(a, m);
	gone(b, m);
	over(m, NULL);
}

/* One access amid somebody's loop: at the latest when the loop comes by again. */
static void test_one_amid(void **state)
{
	(void)state;
	struct thread *m = born(NULL);
	struct worker *a = worker(m), *b = worker(m);
	for (unsigned at = 3; at < WORDS; at += 41) {
		uintptr_t lock = memory(64);
		fresh(m, a, b);
		for (unsigned round = 0; round < 3; round++) {
			loop(a, 0, WORDS, true, 1);
			send(a, lock);
		}
		loop(a, 0, WORDS, true, 1);
		touch(b, 4 * at, 4, at & 1, 2);
		send(a, lock);
		loop(a, 0, WORDS, true, 1);
		unsigned n = races();
		assert_in_range(n, 1, 2);
		/* In a first loop nothing is guessed. */
		fresh(m, a, b);
		loop(a, 0, WORDS, true, 1);
		touch(b, 4 * at, 4, at & 1, 2);
		assert_int_equal(races(), 1);
	}
	gone(a, m);
	gone(b, m);
	over(m, NULL);
}

/* Synchronisation locations are never tagged, and records of freed memory are not copied over what is there now. */
static void test_stops_at(void **state)
{
	(void)state;
	struct thread *m = born(NULL);
	struct worker *a = worker(m);
	uintptr_t lock = memory(64);
	fresh(m, a, NULL);
	for (unsigned round = 0; round < 3; round++) {
		loop(a, 0, WORDS, true, 1);
		send(a, lock);
	}
	access_sync(m, base + 400, 4, true, 2);
	loop(a, 0, WORDS, true, 1);
	for (unsigned b = 400; b < 404; b++)
		assert_int_not_equal(a->plane[b], a->tag);
	send(a, lock);
	mem_fresh(m, base + 800, 400, 1);
	loop(a, 0, 200, true, 1);
	for (unsigned at = 800; at < 1200; at += 8)
		assert_int_equal(shadow_granule(base + at)->record[0], 0);
	assert_int_equal(races(), 0);
	gone(a, m);
	over(m, NULL);
}

/* ---- at random, against a twin that keeps the last access of each kind of each thread, by words -------------------------- */

static uint64_t seed = 88172645463325252ull;
static unsigned dice(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 20) % n;
}

static struct {
	unsigned vc[T][T], lock[3][T], last[2][T][WORDS];
} twin;

static bool twin_loop(unsigned t, unsigned from, unsigned to, bool write)
{
	bool race = false;
	for (unsigned i = from; i < to; i++) {
		for (unsigned u = 0; u < T; u++)
			race |= u != t && (twin.last[1][u][i] > twin.vc[t][u] || (write && twin.last[0][u][i] > twin.vc[t][u]));
		twin.last[write][t][i] = twin.vc[t][t];
	}
	return race;
}

static void test_random(void **state)
{
	(void)state;
	unsigned agree = 0, late = 0, silent = 0;
	for (unsigned n = 0; n < 3000; n++) {
		struct thread *m = born(NULL);
		struct worker *w[T];
		uintptr_t locks = memory(256);
		bool due = false, told = false;
		fresh(m, NULL, NULL);
		memset(&twin, 0, sizeof twin);
		for (unsigned i = 0; i < T; i++) {
			w[i] = worker(m);
			twin.vc[i][i] = 1;
		}
		/* Mostly whole loops over one's own part, all in turn; now and then something else. */
		for (unsigned step = 0; step < 60 && !due; step++) {
			unsigned who = dice(T), l = dice(3), from = who * (WORDS / T), to = from + WORDS / T;
			if (dice(4) == 0) {
				sync_recv(w[who]->t, locks + 64 * l);
				for (unsigned u = 0; u < T; u++)
					twin.vc[who][u] = twin.lock[l][u] > twin.vc[who][u] ? twin.lock[l][u] : twin.vc[who][u];
			} else if (dice(3) == 0) {
				send(w[who], locks + 64 * l);
				for (unsigned u = 0; u < T; u++)
					twin.lock[l][u] = twin.vc[who][u] > twin.lock[l][u] ? twin.vc[who][u] : twin.lock[l][u];
				twin.vc[who][who]++;
			} else {
				bool write = dice(2), odd = dice(40) == 0;
				if (odd) {
					from = dice(WORDS);
					to = from + 1 + dice(WORDS - from);
				} else if (dice(3) == 0) {
					to -= dice(WORDS / T);
				}
				due = twin_loop(who, from, to, write);
				loop(w[who], from, to, write, 1 + write + 2 * odd);
			}
			told = races() > 0;
			assert_false(told && !due);
		}
		agree += told;
		late += due && !told;
		silent += !due;
		for (unsigned i = 0; i < T; i++)
			gone(w[i], m);
		over(m, NULL);
	}
	print_message("%u told, %u not at once, %u without\n", agree, late, silent);
	assert_true(agree > 500 && silent > 100);
	assert_true(late * 10 < agree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rounds),   cmocka_unit_test(test_stops_short), cmocka_unit_test(test_one_amid),
		cmocka_unit_test(test_stops_at), cmocka_unit_test(test_random),
	};
	return cmocka_run_group_tests(tests, start, NULL);
}
