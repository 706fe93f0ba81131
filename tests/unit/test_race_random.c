/*
 * test_race_random.c - The rule against a twin that keeps every access with its whole vector clock: scripts of events, without threads.
 */
#include "race_script.h"

enum { T = 12, BYTES = 16, LOCKS = 3, KEPT = 4096 };

struct kept {
	unsigned thread, clock;
	bool write;
};

struct twin {
	unsigned vc[T][T], lock[LOCKS][T];
	struct kept all[BYTES][KEPT];
	unsigned nr[BYTES];
};

static uint64_t seed = 88172645463325252ull;
static unsigned dice(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 20) % n;
}

static bool twin_access(struct twin *w, unsigned t, unsigned at, unsigned bytes, bool write)
{
	bool race = false;
	for (unsigned b = at; b < at + bytes; b++) {
		for (unsigned i = 0; i < w->nr[b]; i++) {
			const struct kept *k = &w->all[b][i];
			if (k->thread != t && (k->write || write) && w->vc[t][k->thread] < k->clock)
				race = true;
		}
		w->all[b][w->nr[b]++] = (struct kept){ t, w->vc[t][t], write };
	}
	return race;
}

/*
 * Runs one script up to the first race either side finds. exact: whole granules by any threads, where nothing is ever let go:
 * both must agree. Else anything; whatever the rule finds the twin must find.
 */
static unsigned agree, lost, invented, given_up;
static void script(bool exact, bool planes)
{
	static struct twin w;
	memset(w.vc, 0, sizeof w.vc);
	memset(w.lock, 0, sizeof w.lock);
	memset(w.nr, 0, sizeof w.nr);
	unsigned nr = 2 + dice(T - 1);
	struct thread *m = born(NULL), *t[T];
	uint8_t plane[T][BYTES] = { 0 };
	uint64_t tag[T];
	uintptr_t x = memory(BYTES), locks = memory(64 * LOCKS);
	for (unsigned i = 0; i < nr; i++) {
		t[i] = born(m);
		w.vc[i][i] = 1;
		tag[i] = race_tls.write_tag & 255;
	}
	races();
	for (unsigned n = 0; n < 300; n++) {
		unsigned who = dice(nr), what = dice(10);
		if (what < 3) {
			unsigned l = dice(LOCKS);
			uint32_t before = race_clock(t[who]->race);
			if (dice(2)) {
				sync_recv(t[who], locks + 64 * l);
				for (unsigned i = 0; i < T; i++)
					if (w.lock[l][i] > w.vc[who][i])
						w.vc[who][i] = w.lock[l][i];
			} else {
				sync_send(t[who], locks + 64 * l);
				for (unsigned i = 0; i < T; i++)
					if (w.vc[who][i] > w.lock[l][i])
						w.lock[l][i] = w.vc[who][i];
				w.vc[who][who]++;
			}
			if (race_clock(t[who]->race) != before)
				tag[who] = race_tls.write_tag & 255; /* all threads of this test share it: its own at each release */
			continue;
		}
		unsigned bytes = exact ? 8 : 1u << dice(4), at = exact ? 8 * dice(2) : dice(BYTES / bytes) * bytes;
		bool write = dice(3) == 0, hit = planes;
		for (unsigned b = at; b < at + bytes; b++)
			hit &= write ? plane[who][b] == tag[who] : (plane[who][b] | 1) == tag[who];
		bool ours = false, theirs = twin_access(&w, who, at, bytes, write);
		if (!hit) {
			if (!access(t[who], x + at, bytes, write, 1 + n)) {
				/* No room for so many writes side by side: these bytes order from now on, whatever else they do. */
				assert_false(exact);
				given_up++;
			}
			ours = races() > 0;
			for (unsigned b = at; b < at + bytes && planes; b++)
				plane[who][b] = (uint8_t)(write ? tag[who] : tag[who] & ~1ull);
		}
		if (ours || theirs) {
			agree += ours && theirs;
			lost += !ours;
			invented += !theirs;
			break;
		}
	}
	for (unsigned i = 0; i < nr; i++)
		over(t[i], m);
	over(m, NULL);
}

/* More threads read than a granule has room for; later one of them, or a newcomer, writes. */
static void test_many_readers(void **state)
{
	enum { MANY = 24 };
	(void)state;
	struct thread *m = born(NULL), *t[MANY];
	uintptr_t x = memory(64), lock = memory(64);
	for (unsigned i = 0; i < MANY; i++)
		t[i] = born(m);
	races();
	for (unsigned i = 0; i < MANY; i++) {
		assert_true(access(t[i], x, 8, false, 100 + i));
		if (i != 5)
			sync_send(t[i], lock);
	}
	sync_recv(m, lock);
	access(m, x, 8, true, 1);
	assert_int_equal(races(), 1);
	assert_int_equal(last.before.stack, 105);
	assert_false(last.before.write);
	/* That was the end of it. */
	access(m, x, 8, true, 2);
	assert_int_equal(races(), 0);
	/* Byte by byte: who read others is no race. */
	x = memory(64);
	for (unsigned i = 1; i < MANY; i++)
		assert_true(access(t[i], x + i % 4, 1, false, 100 + i));
	assert_int_equal(races(), 0);
	access(m, x + 4, 2, true, 2);
	assert_int_equal(races(), 0);
	access(m, x + 2, 1, true, 2);
	assert_int_equal(races(), 6);
	access(t[0], x, 1, true, 3);
	assert_int_equal(races(), 5);
	/* Memory that was handed out anew has no readers. */
	x = memory(64);
	for (unsigned i = 0; i < MANY; i++)
		assert_true(access(t[i], x, 4, false, 100 + i));
	mem_fresh(m, x, 8, 0);
	access(m, x, 8, true, 1);
	assert_int_equal(races(), 0);
	/* Nor has a synchronisation location. */
	x = memory(64);
	for (unsigned i = 0; i < MANY; i++)
		assert_true(access(t[i], x, 8, false, 100 + i));
	access_sync(m, x, 4, true, 1);
	access(m, x + 4, 4, true, 1);
	assert_int_equal(races(), MANY);
	/* More than anybody has room for, again and again: what is lost is lost. */
	for (unsigned round = 0; round < 3; round++) {
		uintptr_t big = memory(8 * 40000);
		for (unsigned i = 0; i < 6; i++)
			for (unsigned k = 0; k < 40000; k++)
				assert_true(access(t[i], big + 8 * k, 8, false, 100 + i));
		unsigned missed = 0;
		for (unsigned i = 0; i < 6; i++)
			sync_send(t[i], lock);
		sync_recv(m, lock);
		for (unsigned k = 0; k < 40000; k++)
			access(m, big + 8 * k, 8, true, 1);
		assert_int_equal(races(), 0);
		for (unsigned k = 0; k < 40000; k++) {
			access(t[0], big + 8 * k, 8, true, 1);
			missed += races() != 1;
		}
		assert_int_equal(missed, 0);
	}
	for (unsigned i = 0; i < MANY; i++)
		over(t[i], m);
	over(m, NULL);
}

static void test_exact(void **state)
{
	(void)state;
	agree = lost = invented = given_up = 0;
	for (unsigned i = 0; i < 20000; i++)
		script(true, false);
	print_message("exact: %u agree, %u lost, %u invented\n", agree, lost, invented);
	assert_true(agree > 10000);
	assert_int_equal(lost, 0);
	assert_int_equal(invented, 0);
}

static void test_any(void **state)
{
	(void)state;
	agree = lost = invented = given_up = 0;
	for (unsigned i = 0; i < 20000; i++)
		script(false, false);
	print_message("any: %u agree, %u lost, %u invented, %u accesses that order\n", agree, lost, invented, given_up);
	assert_int_equal(invented, 0);
	assert_true(lost * 20 < agree);
}

static void test_planes(void **state)
{
	(void)state;
	agree = lost = invented = given_up = 0;
	for (unsigned i = 0; i < 20000; i++)
		script(true, true);
	print_message("planes: %u agree, %u lost, %u invented\n", agree, lost, invented);
	assert_int_equal(invented, 0);
	assert_true(lost * 20 < agree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_readers),
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_any),
		cmocka_unit_test(test_planes),
	};
	return cmocka_run_group_tests(tests, start, NULL);
}
