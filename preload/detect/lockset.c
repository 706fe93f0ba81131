/*
 * lockset.c - Contexts: a stack together with the locks held there, as one number.
 *
 * Without locks a context is the stack's own id. Sets are interned as they stand in the thread's list, with where each lock was
 * taken, so that a report can tell both for the earlier access as well.
 */
#include "detect/race_inside.h"
#include "detect/race_set.h"

#include "base/arena.h"
#include "base/spin.h"

#include <string.h>

#define MAX_SETS  (1u << 20)
#define MAX_PAIRS (1u << 24)
#define KEEP      32u /* locks of one set; the innermost */

struct pair {
	uint32_t stack, set;
};

static struct spin lock = SPIN_INIT(RANK_RACE);
static struct race_set **sets; /* by id, from 1 */
static uint32_t nr_sets;
static struct pair *pairs;
static uint32_t nr_pairs;
static uint32_t *set_index, *pair_index; /* hash -> id */
static _Atomic uint64_t lost;

static bool tables_locked(void)
{
	if (!pairs) {
		sets = arena_map(MAX_SETS * sizeof *sets);
		set_index = arena_map(2 * MAX_SETS * sizeof *set_index);
		pairs = arena_map(MAX_PAIRS * sizeof *pairs);
		pair_index = arena_map(2 * (size_t)MAX_PAIRS * sizeof *pair_index);
	}
	return sets && set_index && pairs && pair_index;
}

static bool same_set(const struct race_set *s, const struct race_held *h, uint32_t n)
{
	return s->nr == n && memcmp(s->held, h, n * sizeof *h) == 0;
}

static uint32_t set_put(const struct race_held *h, uint32_t n)
{
	uint32_t hash = n, id = 0;
	for (uint32_t i = 0; i < n; i++)
		hash = (hash ^ h[i].lock ^ h[i].stack * 31 ^ h[i].key) * 0x9e3779b1u;
	spin_lock(&lock);
	if (tables_locked()) {
		uint32_t i = hash % (2 * MAX_SETS);
		while (set_index[i] && !same_set(sets[set_index[i]], h, n))
			i = (i + 1) % (2 * MAX_SETS);
		id = set_index[i];
		if (!id && nr_sets + 1 < MAX_SETS) {
			struct race_set *s = arena_alloc(sizeof *s + n * sizeof *h);
			if (s) {
				s->nr = n;
				memcpy(s->held, h, n * sizeof *h);
				sets[nr_sets + 1] = s;
				id = set_index[i] = ++nr_sets;
			}
		}
	}
	spin_unlock(&lock);
	return id;
}

const struct race_set *race_set_get(uint32_t set)
{
	static const struct race_set none;
	return set && set <= nr_sets ? sets[set] : &none;
}

uint32_t race_set_now(const struct thread *t)
{
	struct race_held h[KEEP];
	uint32_t n = 0, all = atomic_load_explicit(&t->nr_held, memory_order_relaxed);
	for (uint32_t i = all > KEEP ? all - KEEP : 0; i < all; i++)
		if (t->held[i].addr)
			h[n++] = (struct race_held){ t->held[i].lock, t->held[i].stack, t->held[i].key };
	return n ? set_put(h, n) : 0;
}

static uint32_t pair_put(uint32_t stack, uint32_t set)
{
	uint32_t id = 0, i = (stack * 0x9e3779b1u ^ set * 0x85ebca6bu);
	i = (i ^ i >> 15) % (2 * MAX_PAIRS);
	spin_lock(&lock);
	if (tables_locked()) {
		while (pair_index[i] && (pairs[pair_index[i]].stack != stack || pairs[pair_index[i]].set != set))
			i = (i + 1) % (2 * MAX_PAIRS);
		id = pair_index[i];
		if (!id && nr_pairs + 1 < MAX_PAIRS) {
			pairs[nr_pairs + 1] = (struct pair){ stack, set };
			id = pair_index[i] = ++nr_pairs;
		}
	}
	spin_unlock(&lock);
	if (!id)
		atomic_fetch_add_explicit(&lost, 1, memory_order_relaxed);
	return id ? id | RACE_PAIR : stack;
}

uint32_t race_context_slow(struct thread *t, uint32_t stack)
{
	struct race_thread *rt = t->race;
	uint32_t context;
	if (stack > RACE_MAX_STACK) {
		atomic_fetch_add_explicit(&lost, 1, memory_order_relaxed);
		stack = 0;
	}
	if (rt->set == RACE_NO_SET)
		rt->set = race_set_now(t);
	if (race_context_known(rt, stack, &context))
		return context;
	context = pair_put(stack, rt->set);
	rt->context[(stack ^ rt->set * 31) % RACE_CONTEXTS] =
		(struct race_context){ (uint64_t)rt->set << 32 | stack, context, 0 };
	return context;
}

void race_context_parts(uint32_t context, uint32_t *stack, uint32_t *set)
{
	uint32_t i = context & RACE_MAX_STACK;
	*stack = context;
	*set = 0;
	if (!(context & RACE_PAIR))
		return;
	*stack = i <= nr_pairs ? pairs[i].stack : 0;
	*set = i <= nr_pairs ? pairs[i].set : 0;
}

uint64_t race_contexts_lost(void) { return atomic_load(&lost); }
