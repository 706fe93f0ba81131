/* guard.c - See guard.h. */
#include "detect/guard.h"

#include "base/spin.h"
#include "base/arena.h"
#include "base/sys.h"
#include "core/module.h"
#include "detect/order.h"
#include "detect/race_found.h"
#include "detect/race_inside.h"
#include "detect/race_set.h"

#include <string.h>

#define BUCKETS    16384u
#define WAYS       4u
#define CANDIDATES 3u

/* Enough to call it usual: so often, and all but a quarter; where memory goes from thread to thread, all but a tenth. */
#define LEAST        5u
#define LEAST_WRITES 3u

struct candidate {
	uint32_t lock, writes, reads;
};

struct bad {
	uint32_t thread, stack, set;
	uintptr_t addr;
	uint8_t bytes;
};

struct guard {
	uintptr_t granule; /* 0 empty */
	uint32_t writes, reads;
	bool told;
	struct candidate of[CANDIDATES];
	struct {
		uint32_t slot, clock, lock;
	} under[2]; /* the newest access under a lock that was usual then, and the newest one of another thread before that */
	struct bad good[2]; /* the newest write under the usual lock, and the newest one of another thread before that */
	struct bad bad;     /* the first one without */
};

struct bucket {
	_Atomic uint32_t lock;
	struct guard way[WAYS];
} __attribute__((aligned(64)));

void (*guard_tell)(const struct guard_report *) = guard_found;
static struct bucket *_Atomic table;
static _Atomic uint64_t lost;

static struct bucket *enter(uintptr_t addr, bool make)
{
	struct bucket *all = atomic_load_explicit(&table, memory_order_acquire);
	if (!all && make && (all = arena_map(BUCKETS * sizeof *all)) != NULL) {
		struct bucket *none = NULL;
		if (!atomic_compare_exchange_strong(&table, &none, all)) {
			arena_unmap(all, BUCKETS * sizeof *all);
			all = none;
		}
	}
	if (!all)
		return NULL;
	struct bucket *b = &all[((addr >> 3) * 0x9e3779b97f4a7c15ull) >> 50];
	_Static_assert(BUCKETS == 1u << (64 - 50), "the shift");
	spin_own_begin();
	for (unsigned n = 0; atomic_exchange_explicit(&b->lock, 1, memory_order_acquire); n++) {
		if (n < 100)
			__builtin_ia32_pause();
		else
			sys0(SYS_sched_yield);
	}
	return b;
}

static void leave(struct bucket *b)
{
	atomic_store_explicit(&b->lock, 0, memory_order_release);
	spin_own_end();
}

static struct guard *find(struct bucket *b, uintptr_t addr)
{
	for (unsigned i = 0; i < WAYS; i++)
		if (b->way[i].granule == (addr & ~7ul))
			return &b->way[i];
	return NULL;
}

static struct guard *find_or_add(struct bucket *b, uintptr_t addr)
{
	struct guard *g = find(b, addr);
	if (g)
		return g;
	g = &b->way[0];
	for (unsigned i = 1; i < WAYS && g->granule; i++)
		if (!b->way[i].granule || b->way[i].writes + b->way[i].reads < g->writes + g->reads)
			g = &b->way[i];
	if (g->granule)
		atomic_fetch_add_explicit(&lost, 1, memory_order_relaxed);
	*g = (struct guard){ .granule = addr & ~7ul };
	return g;
}

static bool holds(uint32_t set, uint32_t lock, bool write)
{
	const struct race_set *s = race_set_get(set);
	for (uint32_t i = 0; set && i < s->nr; i++)
		if (s->held[i].lock == lock && !(write && s->held[i].key & ORDER_READ))
			return true;
	return false;
}

static const struct candidate *top_of(const struct guard *g)
{
	const struct candidate *c = &g->of[0];
	for (unsigned i = 1; i < CANDIDATES; i++)
		if (g->of[i].writes + g->of[i].reads > c->writes + c->reads)
			c = &g->of[i];
	return c;
}

static void count(struct guard *g, const struct hybrid_access *a)
{
	const struct race_set *s = race_set_get(a->set);
	uint32_t *n = a->write ? &g->writes : &g->reads;
	++*n;
	for (uint32_t k = 0; a->set && k < s->nr; k++) {
		struct candidate *c = NULL;
		if (a->write && s->held[k].key & ORDER_READ)
			continue;
		for (unsigned i = 0; i < CANDIDATES && !c; i++)
			if (!g->of[i].lock || g->of[i].lock == s->held[k].lock)
				c = &g->of[i];
		if (!c)
			continue; /* the fourth one is nobody's usual */
		c->lock = s->held[k].lock;
		n = a->write ? &c->writes : &c->reads;
		++*n;
	}
}

static bool is_usual(const struct guard *g, const struct candidate *c, unsigned one_in)
{
	return c->lock && c->writes >= LEAST_WRITES && c->writes + c->reads >= LEAST && (g->writes - c->writes) * one_in <= g->writes;
}

static struct bad side(uintptr_t addr, uint32_t mask, uint32_t thread, uint32_t stack, uint32_t set)
{
	return (struct bad){ thread, stack, set, (addr & ~7ul) + (unsigned)__builtin_ctz(mask), (uint8_t)__builtin_popcount(mask) };
}

static void keep_good(struct guard *g, const struct hybrid_access *a)
{
	if (g->good[0].thread != a->t->id)
		g->good[1] = g->good[0];
	g->good[0] = side(a->addr, a->mask, a->t->id, a->stack, a->set);
}

/* Two accesses in no order that anything but this place vouches for, and not in none at all, which is race.h's. */
static bool doubtful(const struct hybrid_access *a, const struct hybrid_thread *h, uint32_t slot, uint32_t clock)
{
	const uint32_t *known = h->through == (a->addr & ~7ul) ? h->without : h->vc;
	return slot && slot != a->t->race->slot && known[slot] < clock && a->t->race->vc[slot] >= clock;
}

/* It writes without the lock; another one has been here under it. */
static void judge_write(struct guard *g, const struct hybrid_access *a, const struct hybrid_thread *h, uint32_t lock)
{
	for (unsigned i = 0; i < 2 && !g->bad.stack; i++)
		if (g->under[i].lock == lock && doubtful(a, h, g->under[i].slot, g->under[i].clock))
			g->bad = side(a->addr, a->mask, a->t->id, a->stack, a->set);
}

/* It has the lock; another one has written without. */
static void judge_guarded(struct guard *g, const struct hybrid_access *a, const struct hybrid_thread *h, uint32_t lock,
			  const struct guard_side *others, unsigned nr)
{
	bool opaque = false, global = false;
	for (unsigned i = 0; i < h->nr_sections; i++)
		opaque |= !h->section[i].wrote;
	for (unsigned i = 0; i < nr && !g->bad.stack; i++) {
		const struct guard_side *o = &others[i];
		if (!o->write || o->set == SOME_LOCKS || holds(o->set, lock, true) || !doubtful(a, h, o->slot, o->clock))
			continue;
		if (opaque && !global && !(global = module_find(a->addr) != NULL))
			return; /* a place on the heap may have been handed over by what cannot be seen */
		g->bad = side(a->addr, o->mask, clock_owner(o->slot, o->clock), o->stack, o->set);
	}
	const struct race_thread *rt = a->t->race;
	if (g->under[0].slot != rt->slot)
		g->under[1] = g->under[0];
	g->under[0].slot = rt->slot;
	g->under[0].clock = race_clock(rt);
	g->under[0].lock = lock;
}

bool guard_seen(const struct hybrid_access *a, const struct guard_side *others, unsigned nr, bool known, bool shared,
		const struct hybrid_thread *h)
{
	struct guard_report x;
	bool tell = false;
	if (!known && (!a->set || !shared))
		return false;
	struct bucket *b = enter(a->addr, true);
	if (!b)
		return false;
	struct guard *g = a->set && shared ? find_or_add(b, a->addr) : find(b, a->addr);
	if (!g) {
		leave(b);
		return false;
	}
	count(g, a);
	const struct candidate *c = top_of(g);
	bool has = c->lock && holds(a->set, c->lock, a->write);
	if (has && a->write)
		keep_good(g, a);
	if (has)
		judge_guarded(g, a, h, c->lock, others, nr);
	else if (a->write && c->lock)
		judge_write(g, a, h, c->lock);
	const struct bad *good = &g->good[g->good[0].thread == g->bad.thread && g->good[1].thread ? 1 : 0];
	if (g->bad.stack && good->stack && !g->told && is_usual(g, c, module_find(a->addr) ? 4 : 10)) {
		g->told = tell = true;
		x = (struct guard_report){
			.bad = { g->bad.thread, g->bad.stack, g->bad.set, g->bad.addr, g->bad.bytes, true },
			.good = { good->thread, good->stack, good->set, good->addr, good->bytes, true },
			.usual = { c->lock, c->writes, g->writes },
		};
	}
	leave(b);
	if (tell)
		guard_tell(&x);
	return true;
}

void guard_forget(uintptr_t addr)
{
	struct bucket *b = enter(addr, false);
	struct guard *g = b ? find(b, addr) : NULL;
	if (g)
		*g = (struct guard){ 0 };
	if (b)
		leave(b);
}

void guard_told(uintptr_t addr)
{
	struct bucket *b = enter(addr, false);
	struct guard *g = b ? find(b, addr) : NULL;
	if (g)
		g->told = true;
	if (b)
		leave(b);
}

bool guard_usual(uintptr_t addr, struct guard_usual *u)
{
	struct bucket *b = enter(addr, false);
	const struct guard *g = b ? find(b, addr) : NULL;
	const struct candidate *c = g ? top_of(g) : NULL;
	bool yes = c && c->lock && c->writes + c->reads >= LEAST &&
		   (g->writes + g->reads - c->writes - c->reads) * 4 <= g->writes + g->reads;
	if (yes)
		*u = (struct guard_usual){ c->lock, c->writes + c->reads, g->writes + g->reads };
	if (b)
		leave(b);
	return yes;
}

void guard_fork_child(void)
{
	/* Nothing has happened yet there. What another thread was changing is left where it is. */
	atomic_store(&table, NULL);
	atomic_store(&lost, 0);
}

uint64_t guard_lost(void) { return atomic_load(&lost); }
