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
#include "base/sys.h"

#include <string.h>

#define MAX_SETS  (1u << 20)
#define MAX_PAIRS (1u << 24)
#define QUICK     4u  /* locks held that are looked at between two instructions of the program */
#define KEEP      RACE_SET_KEEP

struct pair {
	uint32_t stack, set;
};

/* hash -> id, open addressing, at most half full. */
struct index {
	uint32_t *id;
	uint32_t mask; /* places - 1 */
};

static struct spin lock = SPIN_INIT(RANK_RACE);
/* By id, from 1; sparse, so that they never move: what stands there is read without the lock. */
static struct race_set **sets;
static struct pair *pairs;
static _Atomic uint32_t nr_sets, nr_pairs;
static struct index set_index, pair_index;
static _Atomic uint64_t lost;

static bool tables_locked(void)
{
	if (!sets)
		sets = sys_map_sparse(MAX_SETS * sizeof *sets);
	if (!pairs)
		pairs = sys_map_sparse(MAX_PAIRS * sizeof *pairs);
	return sets && pairs;
}

static uint32_t hash_of_set(const struct race_held *h, uint32_t n)
{
	uint32_t hash = n;
	for (uint32_t i = 0; i < n; i++)
		hash = (hash ^ h[i].lock ^ h[i].stack * 31 ^ h[i].key) * 0x9e3779b1u;
	return hash ^ hash >> 15;
}

static uint32_t hash_of_pair(uint32_t stack, uint32_t set)
{
	uint32_t i = (stack * 0x9e3779b1u ^ set * 0x85ebca6bu);
	return i ^ i >> 15;
}

static uint32_t hash_of_id(const struct index *x, uint32_t id)
{
	return x == &set_index ? hash_of_set(sets[id]->held, sets[id]->nr) : hash_of_pair(pairs[id].stack, pairs[id].set);
}

/* For nr ids and one more. */
static bool index_room(struct index *x, uint32_t nr)
{
	if (x->id && 2 * nr < x->mask)
		return true;
	uint32_t places = x->id ? 2 * (x->mask + 1) : 512;
	uint32_t *bigger = arena_calloc(places, sizeof *bigger);
	if (!bigger)
		return false;
	for (uint32_t id = 1; id <= nr; id++) {
		uint32_t i = hash_of_id(x, id) & (places - 1);
		while (bigger[i])
			i = (i + 1) & (places - 1);
		bigger[i] = id;
	}
	arena_free(x->id);
	*x = (struct index){ bigger, places - 1 };
	return true;
}

static bool same_set(const struct race_set *s, const struct race_held *h, uint32_t n)
{
	return s->nr == n && memcmp(s->held, h, n * sizeof *h) == 0;
}

static uint32_t set_put(const struct race_held *h, uint32_t n, uint32_t hash)
{
	uint32_t id = 0, nr = nr_sets;
	spin_lock(&lock);
	if (tables_locked() && index_room(&set_index, nr = nr_sets)) {
		uint32_t i = hash & set_index.mask;
		while (set_index.id[i] && !same_set(sets[set_index.id[i]], h, n))
			i = (i + 1) & set_index.mask;
		id = set_index.id[i];
		if (!id && nr + 1 < MAX_SETS) {
			struct race_set *s = arena_alloc(sizeof *s + n * sizeof *h);
			if (s) {
				s->nr = n;
				memcpy(s->held, h, n * sizeof *h);
				sets[nr + 1] = s;
				id = set_index.id[i] = nr + 1;
				atomic_store_explicit(&nr_sets, nr + 1, memory_order_release);
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

/* No call: general registers only (Makefile), and libc's memcmp uses others. */
bool race_set_known(struct thread *t)
{
	uint32_t all = atomic_load_explicit(&t->nr_held, memory_order_relaxed), n = 0, hash = 0;
	struct race_held h[QUICK];
	if (all > QUICK)
		return false;
	for (uint32_t i = 0; i < all; i++)
		if (t->held[i].addr)
			h[n++] = (struct race_held){ t->held[i].lock, t->held[i].stack, t->held[i].key };
	hash = n ? hash_of_set(h, n) : 0;
	uint32_t id = n ? t->race->sets[hash % RACE_SETS] : 0;
	if (n && (!id || sets[id]->nr != n))
		return false;
	for (uint32_t i = 0; i < n; i++) {
		const struct race_held *s = &sets[id]->held[i];
		if (s->lock != h[i].lock || s->stack != h[i].stack || s->key != h[i].key)
			return false;
	}
	t->race->set = id;
	return true;
}

uint32_t race_set_now(const struct thread *t)
{
	struct race_held h[KEEP];
	uint32_t n = 0, all = atomic_load_explicit(&t->nr_held, memory_order_relaxed);
	for (uint32_t i = all > KEEP ? all - KEEP : 0; i < all; i++)
		if (t->held[i].addr)
			h[n++] = (struct race_held){ t->held[i].lock, t->held[i].stack, t->held[i].key };
	if (!n)
		return 0;
	uint32_t hash = hash_of_set(h, n), *known = t->race ? &t->race->sets[hash % RACE_SETS] : NULL;
	if (known && *known && same_set(sets[*known], h, n))
		return *known;
	uint32_t id = set_put(h, n, hash);
	if (known)
		*known = id;
	return id;
}

static uint32_t pair_put(uint32_t stack, uint32_t set)
{
	uint32_t id = 0, nr;
	spin_lock(&lock);
	if (tables_locked() && index_room(&pair_index, nr = nr_pairs)) {
		uint32_t i = hash_of_pair(stack, set) & pair_index.mask;
		while ((id = pair_index.id[i]) && (pairs[id].stack != stack || pairs[id].set != set))
			i = (i + 1) & pair_index.mask;
		/* 4 KiB at a time */
		if (!id && nr + 1 < MAX_PAIRS && (nr % 512 || arena_count(512 * sizeof *pairs))) {
			pairs[nr + 1] = (struct pair){ stack, set };
			id = pair_index.id[i] = nr + 1;
			atomic_store_explicit(&nr_pairs, nr + 1, memory_order_release);
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
	uint64_t key = (uint64_t)rt->set << 32 | stack;
	uint32_t i = race_context_place(rt, stack);
	rt->context[i ^ 1] = rt->context[i];
	rt->context[i] = (struct race_context){ key, context, 0 };
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
