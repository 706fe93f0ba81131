/*
 * verbs_held.c - What a thread holds: the cold halves of taking and releasing.
 *
 * Entries stand in the order they were taken in. One released from amid many leaves a hole (addr 0) that is closed when half
 * of them are holes, or when somebody wants another lock: a thousand locks released in the order they were taken in cost a
 * thousand steps. Chains that are known stand below those to be looked up (but for the first entry, which says nothing).
 */
#include "detect/verbs.h"

#include "base/arena.h"

#include <string.h>

enum {
	HOLDS_HERE = 32, /* converted on our own stack; more come from the arena */
	CLOSE = 32,      /* entries above it that are moved down at once */
	NEAR_TOP = 16    /* entries looked at from the top before the search begins at the bottom */
};

/* ---- taking ---- */

/* Closes the holes. */
static void held_close(struct thread *t)
{
	uint32_t n = atomic_load_explicit(&t->nr_held, memory_order_relaxed), to = 0;
	for (uint32_t i = t->held_low; i < n; i++)
		if (t->held[i].addr)
			t->held[to++] = t->held[i];
	t->held_low = t->held_holes = 0;
	t->top.nr_held = 0;
	atomic_store_explicit(&t->nr_held, to, memory_order_relaxed);
}

static struct order_hold *holds_of(const struct thread *t, struct order_hold *here, uint32_t *nr)
{
	uint32_t n = atomic_load_explicit(&t->nr_held, memory_order_relaxed);
	struct order_hold *h = n <= HOLDS_HERE ? here : arena_malloc(n * sizeof *h);
	*nr = h ? n : 0;
	for (uint32_t i = 0; h && i < n; i++)
		h[i] = (struct order_hold){ t->held[i].lock, t->held[i].stack, t->held[i].key };
	return h;
}

/* From the last place where it is known: before a leaf on which another lock is wanted now, or, after releases out of order,
 * further down. All from there on are known then. */
static uint32_t chain_now_slow(struct thread *t, const struct order_hold *held, uint32_t nr)
{
	uint32_t from = nr - 1, few[HOLDS_HERE];
	uint32_t *each = nr <= HOLDS_HERE ? few : arena_malloc(nr * sizeof *each);
	if (!each)
		return 0;
	while (from && t->held[from - 1].chain == CHAIN_UNSET)
		from--;
	uint32_t chain = order_resume(order_cache_of(t), t->seg, held, nr, from, from ? t->held[from - 1].chain : 0, each);
	for (uint32_t i = from; chain && i < nr; i++)
		t->held[i].chain = each[i];
	if (each != few)
		arena_free(each);
	return chain;
}

/* asked: the caller has looked into the cache. */
uint32_t chain_wanted_slow(struct thread *t, uint32_t lock, uint32_t key, uint32_t stack, bool asked)
{
	struct order_hold here[HOLDS_HERE];
	uint32_t nr, next = 0;
	if (unlikely(t->held_holes))
		held_close(t);
	if (!t->nr_held)
		return CHAIN_UNSET;
	struct order_hold *h = holds_of(t, here, &nr);
	uint32_t chain = nr ? chain_now(t, nr) : 0;
	if (!chain && nr) {
		if (nr == 1) /* through the cache, where the hot half looks */
			chain = order_next_slow(order_cache_of(t), t->id, t->seg, 0, NULL, 0, h[0].lock, h[0].key, h[0].stack);
		else
			chain = chain_now_slow(t, h, nr);
		asked = false;
		t->held[nr - 1].chain = t->top.chain = chain ? chain : CHAIN_UNSET;
	}
	if (chain && !asked)
		next = order_step(order_cache_of(t), chain, lock, key, t->seg);
	if (!next && chain)
		next = order_next_slow(order_cache_of(t), t->id, t->seg, chain, h, nr, lock, key, stack);
	if (h != here)
		arena_free(h);
	return next ? next : CHAIN_UNSET;
}

void lock_trying_new_slow(struct thread *t, uintptr_t addr, enum object_family family, unsigned key, uint32_t lock, uint32_t stack)
{
	struct taking k = { lock, stack, CHAIN_UNSET };
	gate_shut();
	k.chain = chain_wanted_slow(t, lock, key, stack, true);
	gate_open();
	lock_got(t, addr, family, key, k);
}

/* ---- releasing ---- */

struct held *lock_held(struct thread *t, uintptr_t addr)
{
	uint32_t n = atomic_load_explicit(&t->nr_held, memory_order_relaxed), i = n;
	while (i && n - i < NEAR_TOP)
		if (t->held[--i].addr == addr)
			return &t->held[i];
	for (uint32_t k = t->held_low; k < i; k++)
		if (t->held[k].addr == addr)
			return &t->held[k];
	return NULL;
}

struct taking lock_refused_slow(struct thread *t, uintptr_t addr)
{
	struct held *h = &t->held[t->nr_held - 1];
	struct taking k = { h->lock, h->stack, h->chain };
	CHECK(h->addr == addr);
	lock_gone(t, addr);
	return k;
}

/* What is above held one lock more; it is looked up when somebody asks. Above the first that is not known none is. */
static void chains_unset(struct thread *t, uint32_t from, uint32_t n)
{
	for (uint32_t i = from; i < n && (t->held[i].chain != CHAIN_UNSET || !i); i++)
		t->held[i].chain = CHAIN_UNSET;
}

bool lock_gone_slow(struct thread *t, uintptr_t addr)
{
	uint32_t n = atomic_load_explicit(&t->nr_held, memory_order_relaxed);
	struct held *h = lock_held(t, addr);
	if (!h)
		return false;
	if (--h->count)
		return true;
	uint32_t i = (uint32_t)(h - t->held);
	t->top.nr_held = 0;
	if (n - i <= CLOSE) {
		memmove(h, h + 1, (n - 1 - i) * sizeof *h);
		chains_unset(t, i, --n);
	} else {
		*h = (struct held){ .lock = UINT32_MAX, .chain = CHAIN_UNSET };
		t->held_holes++;
		chains_unset(t, i + 1, n);
		while (t->held_low < n && !t->held[t->held_low].addr)
			t->held_low++;
	}
	for (; n && !t->held[n - 1].addr; n--)
		t->held_holes--;
	if (t->held_low > n)
		t->held_low = n;
	atomic_store_explicit(&t->nr_held, n, memory_order_relaxed);
	if (t->held_holes > n / 2)
		held_close(t);
	return true;
}
