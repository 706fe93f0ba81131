/* test_order_cache.c - What a thread remembers of its chains, against a list of all it was ever told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/arena.h"
#include "detect/order.h"

static uint64_t rng;

static uint32_t rnd(uint32_t n)
{
	rng = rng * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(rng >> 33) % n;
}

/* Small numbers, so that all of them can be tried: next is a function of the key, 0 where nothing was said. */
enum { CHAINS = 60, LOCKS = 900, KEYS = 4, SEGS = 3 };
static uint32_t told[SEGS][KEYS][CHAINS][LOCKS];

/* It may forget, but whatever it says was said to it, for this very chain, lock, mode and segment. */
static void test_random(void **state)
{
	(void)state;
	uint64_t seed = (uint64_t)time(NULL);
	for (int round = 0; round < 20; round++) {
		struct order_cache c;
		rng = seed + (uint64_t)round;
		memset(told, 0, sizeof told);
		order_cache_start(&c);
		uint32_t far = rnd(2) ? 0x10000000u : 0, chains = 1 + rnd(CHAINS), locks = 1 + rnd(LOCKS), nr = 1 + rnd(30000);
		for (uint32_t seg = 0; seg < SEGS; seg++) {
			for (uint32_t i = 0; i < nr; i++) {
				uint32_t chain = rnd(chains), lock = rnd(locks), key = rnd(KEYS);
				uint32_t *t = &told[seg][key][chain][lock], next = 1 + ((chain * LOCKS + lock) * KEYS + key);
				order_remember(&c, chain, far + lock, key, seg, next, rnd(3));
				*t = next;
				/* What was said last is known. */
				uint32_t step = order_step(&c, chain, far + lock, key, seg);
				if (step != next && step != ORDER_LATER)
					fail_msg("seed %llu: forgotten at once", (unsigned long long)rng);
			}
			for (uint32_t chain = 0; chain < CHAINS; chain++)
				for (uint32_t lock = 0; lock < LOCKS; lock++)
					for (uint32_t key = 0; key < KEYS; key++) {
						uint32_t next = told[seg][key][chain][lock];
						uint32_t have = order_next(&c, chain, far + lock, key, seg);
						uint32_t here = order_next_here(&c, chain, far + lock, key, seg);
						if ((have && have != next) || (here && here != have) ||
						    (!next && order_is_known(&c, chain, far + lock, key, seg)) ||
						    order_step(&c, chain, far + lock, key, seg + 1))
							fail_msg("seed %llu round %d: chain %u lock %u key %u seg %u", (unsigned long long)seed,
								 round, chain, lock, key, seg);
					}
		}
		order_cache_stop(&c);
		assert_int_equal(order_cache_bytes(&c), 0);
		assert_int_equal(order_step(&c, 1, 1, 0, 0), 0);
	}
}

/* Chains that there are: when it has to make room, those that are gone go first. */
static uint32_t chain_made(uint32_t lock)
{
	struct order_hold h = { lock, 1, 0 };
	return order_rebuild(&h, 1);
}

/* Half a million leaves of a thousand chains: all known, in a fraction of a megabyte. */
static void test_dense(void **state)
{
	(void)state;
	struct order_cache c;
	order_cache_start(&c);
	uint32_t chain[1001];
	for (uint32_t a = 1; a <= 1000; a++)
		chain[a] = chain_made(0x20000000u + a);
	for (uint32_t a = 1; a <= 1000; a++)
		for (uint32_t b = a + 1; b <= 1000; b++)
			order_remember(&c, chain[a], 0x10000000u + b, 0, 7, 5, true);
	uint32_t lost = 0;
	for (uint32_t a = 1; a <= 1000; a++)
		for (uint32_t b = a + 1; b <= 1000; b++)
			lost += order_step(&c, chain[a], 0x10000000u + b, 0, 7) != ORDER_LATER;
	assert_in_range(lost, 0, 499500 / 200);
	assert_in_range(order_cache_bytes(&c), 1, 1 << 20);
	order_cache_stop(&c);
}

/* Locks that lie side by side fill whole lines; what belongs there as well must find another place, or it would be asked for in
 * vain again and again. */
static void test_side_by_side(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= 1600; i++)
		chain_made(0x30000000u + i);
	for (uint32_t groups = 1; groups <= 200; groups++) {
		struct order_cache c;
		order_cache_start(&c);
		for (int round = 0; round < 2; round++) {
			uint32_t lost = 0;
			for (uint32_t g = 0; g < groups; g++)
				for (uint32_t d = 0; d < 8; d++) {
					uint32_t id = g * 8 + d + 1, chain = d ? id - 1 : 0;
					if (round)
						lost += order_next(&c, chain, 0x10000000u + id, 0, 0) != id;
					else
						order_remember(&c, chain, 0x10000000u + id, 0, 0, id, false);
				}
			assert_int_equal(lost, 0);
		}
		order_cache_stop(&c);
	}
}

/* No memory: it knows nothing and says nothing. */
static void test_no_memory(void **state)
{
	(void)state;
	struct order_cache c;
	arena_limit(1);
	order_cache_start(&c);
	order_remember(&c, 1, 2, 0, 0, 3, false);
	order_remember(&c, 1, 3, 0, 0, 4, true);
	assert_int_equal(order_step(&c, 1, 2, 0, 0), 0);
	assert_int_equal(order_step(&c, 1, 3, 0, 0), 0);
	arena_limit(0);
	order_remember(&c, 1, 2, 0, 0, 3, false);
	order_remember(&c, 1, 3, 0, 0, 4, true);
	assert_int_equal(order_step(&c, 1, 2, 0, 0), 3);
	assert_int_equal(order_step(&c, 1, 3, 0, 0), ORDER_LATER);
	order_cache_stop(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_dense),
		cmocka_unit_test(test_side_by_side),
		cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
