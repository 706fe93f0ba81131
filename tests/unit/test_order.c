/* test_order.c - The lock-order graph's truth table: what must be reported, and beside each what must not. */
#include "order_program.h"

/* ---- plain inversions ---- */

static void test_inversion(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t = born(main), *u = born(main);
	uint32_t a = locks(2), b = a + 1;
	NEST(t, a, b);
	assert_int_equal(fresh(), 0);
	NEST(u, b, a);
	assert_int_equal(fresh(), 1);
	assert_int_equal(last_nr, 2);
	assert_false(last_timed);
	for (unsigned i = 0; i < 2; i++) {
		/* Each waits where it wants, for what the other took where it took it. */
		const struct thread *w = last_thread[i] == t->id ? t : u, *h = w == t ? u : t;
		assert_int_equal(last_lock[i], w == t ? b : a);
		assert_int_equal(last_want[i], stack_of(w, last_lock[i]));
		assert_int_equal(last_hold[i], stack_of(h, last_lock[i]));
	}
	/* Once is enough, also from others. */
	struct thread *v = born(main);
	for (int i = 0; i < 1000; i++) {
		NEST(i % 2 ? u : v, b, a);
		NEST(i % 2 ? v : t, a, b);
	}
	assert_int_equal(fresh(), 0);
	end(t), end(u), end(v), end(main);
}

static void test_rings(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t[1000];
	for (unsigned i = 0; i < 1000; i++)
		t[i] = born(main);
	for (unsigned nr = 2; nr <= 20; nr++) {
		uint32_t l = locks(nr);
		for (unsigned i = 0; i < nr; i++) {
			assert_int_equal(fresh(), 0);
			NEST(t[i], l + (i * 7) % nr, l + (i * 7 + 1) % nr); /* 7 * i: in no sensible order */
			if (nr == 7 || nr == 14)
				NEST(t[i], l + i, l + (i + 1) % nr);
		}
		assert_int_equal(fresh(), 1);
		assert_int_equal(last_nr, nr);
	}
	uint32_t l = locks(1000);
	for (unsigned i = 0; i < 1000; i++)
		NEST(t[i], l + i, l + (i + 1) % 1000);
	assert_int_equal(fresh(), 1);
	assert_int_equal(last_nr, 1000);
	/* A ring that one thread alone walks through is none, nor one that two share unfairly. */
	l = locks(6);
	for (unsigned i = 0; i < 6; i++)
		NEST(t[0], l + i, l + (i + 1) % 6);
	assert_int_equal(fresh(), 0);
	l = locks(3);
	NEST(t[0], l, l + 1);
	NEST(t[1], l + 1, l + 2);
	NEST(t[0], l + 2, l);
	assert_int_equal(fresh(), 0);
	NEST(t[2], l + 2, l);
	assert_int_equal(fresh(), 1);
	for (unsigned i = 0; i < 1000; i++)
		end(t[i]);
	end(main);
}

/* A ring of two is told; bigger ones around the same two are not. A bigger one beside it is. */
static void test_shortest(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t[4];
	for (unsigned i = 0; i < 4; i++)
		t[i] = born(main);
	uint32_t a = locks(4), b = a + 1, c = a + 2, d = a + 3;
	NEST(t[0], a, b);
	NEST(t[1], b, a);
	assert_int_equal(fresh(), 1);
	NEST(t[2], b, c);
	NEST(t[3], c, a);
	assert_int_equal(fresh(), 0);
	NEST(t[2], c, d);
	NEST(t[1], d, b);
	assert_int_equal(fresh(), 0);
	NEST(t[3], b, c); /* b of t3, c of t2, d of t1 */
	assert_int_equal(fresh(), 1);
	assert_int_equal(last_nr, 3);
	for (unsigned i = 0; i < 4; i++)
		end(t[i]);
	end(main);
}

/* ---- what excuses ---- */

static void test_same_thread(void **state)
{
	(void)state;
	struct thread *t = born(NULL);
	uint32_t a = locks(2), b = a + 1;
	NEST(t, a, b);
	NEST(t, b, a);
	assert_int_equal(fresh(), 0);
	end(t);
}

static void test_gate(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t = born(main), *u = born(main), *v = born(main);
	uint32_t g = locks(3), a = g + 1, b = g + 2;
	NEST(t, g, a, b);
	NEST(u, g, b, a);
	NEST(v, g, b, a);
	assert_int_equal(fresh(), 0);
	/* Once without it: t's own earlier one does not count, the others' do. */
	NEST(t, a, b);
	assert_int_equal(fresh(), 1);

	/* A gate that is only read protects nothing. */
	g = locks(3), a = g + 1, b = g + 2;
	nest(t, 3, (uint32_t[]){ g, a, b }, (uint32_t[]){ R, W, W });
	nest(u, 3, (uint32_t[]){ g, b, a }, (uint32_t[]){ R, W, W });
	assert_int_equal(fresh(), 1);
	/* Read by one, written by the other: a gate. */
	g = locks(3), a = g + 1, b = g + 2;
	nest(t, 3, (uint32_t[]){ g, a, b }, (uint32_t[]){ R, W, W });
	nest(u, 3, (uint32_t[]){ g, b, a }, NULL);
	assert_int_equal(fresh(), 0);
	/* A gate taken by trylock holds as well. */
	g = locks(3), a = g + 1, b = g + 2;
	nest(t, 3, (uint32_t[]){ g, a, b }, (uint32_t[]){ TRY, W, W });
	nest(u, 3, (uint32_t[]){ g, b, a }, (uint32_t[]){ TRY, W, W });
	assert_int_equal(fresh(), 0);
	/* Taken in between is no gate for the one that took it after. */
	g = locks(3), a = g + 1, b = g + 2;
	NEST(t, a, g, b);
	NEST(u, g, b, a);
	assert_int_equal(fresh(), 1); /* a and g: t has a and wants g, u has g and wants a */
	end(t), end(u), end(v), end(main);
}

/* Three threads, each pair of them behind a gate of its own, but no gate for all three: still no two of them meet. */
static void test_pairwise_gates(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t = born(main), *u = born(main), *v = born(main);
	uint32_t g = locks(6), h = g + 1, i = g + 2, a = g + 3, b = g + 4, c = g + 5;
	NEST(t, g, h, a, b);
	NEST(u, g, i, b, c);
	NEST(v, h, i, c, a);
	assert_int_equal(fresh(), 0);
	struct thread *w = born(main);
	NEST(w, c, a);
	assert_int_equal(fresh(), 0); /* t and u still */
	NEST(w, a, b);
	assert_int_equal(fresh(), 0); /* w alone has two of it; u and v still */
	NEST(t, c, a);
	assert_int_equal(fresh(), 1); /* w: a, b; u: b, c; t: c, a */
	assert_int_equal(last_nr, 3);
	end(t), end(u), end(v), end(w), end(main);
}

static void test_modes(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t = born(main), *u = born(main);
	uint32_t a = locks(2), b = a + 1;
	nest(t, 2, (uint32_t[]){ a, b }, (uint32_t[]){ R, R });
	nest(u, 2, (uint32_t[]){ b, a }, (uint32_t[]){ R, R });
	assert_int_equal(fresh(), 0);
	/* One link of it reads: as good as none. */
	a = locks(2), b = a + 1;
	nest(t, 2, (uint32_t[]){ a, b }, (uint32_t[]){ R, W });
	nest(u, 2, (uint32_t[]){ b, a }, (uint32_t[]){ W, R });
	assert_int_equal(fresh(), 0);
	/* Held for reading, wanted for writing, on both sides. */
	a = locks(2), b = a + 1;
	nest(t, 2, (uint32_t[]){ a, b }, (uint32_t[]){ R, W });
	nest(u, 2, (uint32_t[]){ b, a }, (uint32_t[]){ R, W });
	assert_int_equal(fresh(), 1);
	/* Held for writing, wanted for reading. */
	a = locks(2), b = a + 1;
	nest(t, 2, (uint32_t[]){ a, b }, (uint32_t[]){ W, R });
	nest(u, 2, (uint32_t[]){ b, a }, (uint32_t[]){ W, R });
	assert_int_equal(fresh(), 1);
	/* The same two locks again in other modes is another finding. */
	nest(t, 2, (uint32_t[]){ a, b }, (uint32_t[]){ W, W });
	assert_int_equal(fresh(), 1);
	end(t), end(u), end(main);
}

static uint32_t preferring;
static bool prefers(uint32_t lock)
{
	return lock == preferring;
}

static void test_writer_preference(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t = born(main), *u = born(main), *v = born(main);
	uint32_t r = preferring = locks(2), m = r + 1;
	order_on_question(prefers);
	nest(t, 2, (uint32_t[]){ r, m }, (uint32_t[]){ R, W });
	nest(u, 2, (uint32_t[]){ m, r }, (uint32_t[]){ W, R });
	assert_int_equal(fresh(), 0); /* nobody ever writes it */
	nest(u, 1, (uint32_t[]){ r }, (uint32_t[]){ W });
	assert_int_equal(fresh(), 0); /* the writer is in the ring himself */
	nest(main, 1, (uint32_t[]){ r }, (uint32_t[]){ W | TRY });
	assert_int_equal(fresh(), 0); /* does not wait */
	nest(v, 1, (uint32_t[]){ r }, (uint32_t[]){ W });
	assert_int_equal(fresh(), 1); /* nobody new has nested anything */
	assert_int_equal(last_nr, 2);

	/* Written before the threads were, and never again. */
	r = preferring = locks(2), m = r + 1;
	nest(main, 1, (uint32_t[]){ r }, (uint32_t[]){ W });
	struct thread *x = born(main), *y = born(main);
	nest(x, 2, (uint32_t[]){ r, m }, (uint32_t[]){ R, W });
	nest(y, 2, (uint32_t[]){ m, r }, (uint32_t[]){ W, R });
	assert_int_equal(fresh(), 0);
	nest(main, 2, (uint32_t[]){ m + 1000, r }, (uint32_t[]){ W, W });
	assert_int_equal(fresh(), 1);
	nr_lock += 1000;
	order_on_question(NULL);
	end(t), end(u), end(v), end(x), end(y), end(main);
}

static void test_try_and_timed(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t = born(main), *u = born(main);
	uint32_t a = locks(2), b = a + 1;
	nest(t, 2, (uint32_t[]){ a, b }, (uint32_t[]){ W, TRY });
	nest(u, 2, (uint32_t[]){ b, a }, (uint32_t[]){ W, TRY });
	nest(u, 2, (uint32_t[]){ b, a }, NULL);
	assert_int_equal(fresh(), 0);
	/* Back-off both ways round: block on one, try the other. */
	a = locks(2), b = a + 1;
	for (int i = 0; i < 2; i++) {
		nest(t, 2, (uint32_t[]){ a, b }, (uint32_t[]){ W, TRY });
		nest(t, 2, (uint32_t[]){ b, a }, (uint32_t[]){ W, TRY });
		nest(u, 2, (uint32_t[]){ b, a }, (uint32_t[]){ W, TRY });
		nest(u, 2, (uint32_t[]){ a, b }, (uint32_t[]){ W, TRY });
	}
	assert_int_equal(fresh(), 0);
	/* Held is held, however it was taken. */
	a = locks(2), b = a + 1;
	nest(t, 2, (uint32_t[]){ a, b }, (uint32_t[]){ TRY, W });
	nest(u, 2, (uint32_t[]){ b, a }, (uint32_t[]){ TRY, W });
	assert_int_equal(fresh(), 1);
	assert_false(last_timed);
	/* Below a tried lock. */
	a = locks(12), b = a + 1;
	take(t, a, W);
	for (uint32_t i = 2; i < 12; i++)
		take(t, a + i, TRY);
	take(t, b, W);
	drop_all(t);
	NEST(u, b, a);
	assert_int_equal(fresh(), 1);
	a = locks(2), b = a + 1;
	nest(t, 2, (uint32_t[]){ a, b }, (uint32_t[]){ W, TIMED });
	nest(u, 2, (uint32_t[]){ b, a }, NULL);
	assert_int_equal(fresh(), 1);
	assert_true(last_timed);
	end(t), end(u), end(main);
}

/* ---- create and join ---- */

static void test_before_and_after(void **state)
{
	(void)state;
	struct thread *main = born(NULL);
	uint32_t a = locks(2), b = a + 1;
	NEST(main, a, b);
	struct thread *t = born(main);
	NEST(t, b, a);
	assert_int_equal(fresh(), 0); /* initialisation */
	NEST(main, a, b);
	assert_int_equal(fresh(), 1); /* the same again beside the thread: its first time in this segment */
	join(main, t);
	a = locks(2), b = a + 1;
	t = born(main);
	NEST(t, a, b);
	join(main, t);
	NEST(main, b, a);
	struct thread *u = born(main);
	NEST(u, b, a);
	assert_int_equal(fresh(), 0); /* clean-up, and a thread after a thread */
	struct thread *v = born(u);
	NEST(v, a, b);
	assert_int_equal(fresh(), 0); /* u was before v when it did */
	NEST(u, b, a);
	assert_int_equal(fresh(), 1);
	end(v), end(u), end(main);
}

/* The occurrence before a join is not superseded by one after it: another thread was met before it. */
static void test_both_sides_of_a_join(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t = born(main), *u = born(t), *v = born(main);
	uint32_t a = locks(3), b = a + 1, c = a + 2;
	NEST(t, a, b);
	NEST(u, b, c);
	join(t, u);
	NEST(t, a, b);
	NEST(v, c, a);
	assert_int_equal(fresh(), 1);
	assert_int_equal(last_nr, 3);
	end(t), end(v), end(main);
}

static void test_fork(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t = born(main);
	uint32_t a = locks(2), b = a + 1;
	NEST(t, a, b);
	/* In the child t does not exist. */
	segment_fork_child();
	order_fork_child();
	segment_forked(main->id, ++main->seg);
	NEST(main, b, a);
	struct thread *u = born(main);
	NEST(u, b, a);
	assert_int_equal(fresh(), 0);
	struct thread *v = born(main);
	NEST(v, a, b);
	assert_int_equal(fresh(), 1);
	end(t), end(u), end(v), end(main);
}

/* ---- order of release ---- */

static void test_out_of_order(void **state)
{
	(void)state;
	struct thread *main = born(NULL), *t = born(main), *u = born(main);
	uint32_t a = locks(3), b = a + 1, c = a + 2;
	/* Hand over hand: a, b, free a, c: never a with c. */
	take(t, a, W);
	take(t, b, W);
	drop(t, a);
	take(t, c, W);
	drop(t, b);
	drop(t, c);
	NEST(u, c, a);
	assert_int_equal(fresh(), 0);
	NEST(u, c, b);
	assert_int_equal(fresh(), 1);
	/* What is left after a release in the middle still holds. */
	a = locks(4), b = a + 1, c = a + 2;
	take(t, a, W);
	take(t, b, W);
	take(t, c, W);
	drop(t, b);
	take(t, a + 3, W);
	drop_all(t);
	NEST(u, a + 3, b);
	assert_int_equal(fresh(), 0);
	NEST(u, a + 3, a);
	assert_int_equal(fresh(), 1);
	/* The same holds give the same chain, however come by. */
	take(t, a, W);
	take(t, c, W);
	uint32_t chain = chain_of(t);
	drop_all(t);
	take(t, a, W);
	take(t, b, W);
	take(t, c, W);
	drop(t, b);
	assert_int_equal(chain_of(t), chain);
	/* A lock that is in it already adds nothing. */
	assert_int_equal(order_next_slow(&t->cache, t->id, t->seg, chain_of(t), t->held, t->nr, a, W, 1), chain);
	struct order_hold twice[3] = { t->held[0], t->held[1], t->held[0] };
	assert_int_equal(order_rebuild(twice, 3), chain);
	drop_all(t);
	assert_int_equal(fresh(), 0);
	end(t), end(u), end(main);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ORDER_TEST(test_inversion),
		ORDER_TEST(test_rings),
		ORDER_TEST(test_shortest),
		ORDER_TEST(test_same_thread),
		ORDER_TEST(test_gate),
		ORDER_TEST(test_pairwise_gates),
		ORDER_TEST(test_modes),
		ORDER_TEST(test_writer_preference),
		ORDER_TEST(test_try_and_timed),
		ORDER_TEST(test_before_and_after),
		ORDER_TEST(test_both_sides_of_a_join),
		ORDER_TEST(test_fork),
		ORDER_TEST(test_out_of_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
