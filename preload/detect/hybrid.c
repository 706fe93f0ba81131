/*
 * hybrid.c - The rule of hybrid.h, over a shadow of its own: who accessed which bytes of a granule last, and under which locks.
 *
 * A record is let go when a later access speaks for it: one that comes after it by the second clock, under the same locks at least.
 * When there is no room a read goes first; the granule remembers that one did, and whoever
 * accesses it in a section from then on comes after all of that lock's (an order too many loses races, one too few invents them).
 */
#include "detect/hybrid.h"

#include "base/spin.h"
#include "base/sys.h"
#include "core/module.h"
#include "detect/guard.h"
#include "detect/order.h"
#include "detect/race_inside.h"
#include "detect/race_set.h"

#include <string.h>
#include <sys/mman.h>

#define RECORDS      4u
#define STRIPES      1024u
#define REGION_BYTES (((size_t)1 << (REGION_BITS - 3)) * sizeof(struct place))
#define DROP_FROM    65536ul /* bytes of shadow from which on pages are given back */
#define PAGE         4096ul

/* word: clock 63..32 | slot 31..20 | bytes 19..12 | write 11, as in race.h; 0 none. In the first one's low bits: */
#define LOST_READ  1ull
#define LOST_WRITE 2ull
#define GUARDED    4ull /* guard.h counts here */
#define FLAGS      7ull

struct record {
	uint64_t word;
	uint32_t stack, set;
};

struct place {
	struct record r[RECORDS];
};

static char *_Atomic *dir;
static struct spin lock = SPIN_INIT(RANK_RACE);
static _Atomic uint32_t stripes[STRIPES];

bool hybrid_start(void)
{
	if (!dir)
		dir = sys_map_sparse(REGION_DIR * sizeof *dir);
	return dir != NULL;
}

void hybrid_fork_child(void)
{
	spin_reset(&lock);
	memset((void *)stripes, 0, sizeof stripes);
	guard_fork_child();
}

static struct place *place_find(uintptr_t addr)
{
	char *region = addr >> 47 ? NULL : atomic_load_explicit(&dir[addr >> REGION_BITS], memory_order_acquire);
	return region ? (struct place *)(void *)region + ((addr & ((1ul << REGION_BITS) - 1)) >> 3) : NULL;
}

static struct place *place_get(uintptr_t addr)
{
	struct place *p = place_find(addr);
	if (likely(p != NULL) || addr >> 47)
		return p;
	spin_lock(&lock);
	char *region = atomic_load(&dir[addr >> REGION_BITS]);
	if (!region && (region = sys_map_sparse(REGION_BYTES)) != NULL) {
		sys3(SYS_madvise, region, REGION_BYTES, MADV_WIPEONFORK);
		atomic_store_explicit(&dir[addr >> REGION_BITS], region, memory_order_release);
	}
	spin_unlock(&lock);
	if (!region)
		race_stop("no memory for a record of accesses under locks");
	return place_find(addr);
}

static _Atomic uint32_t *enter(uintptr_t addr)
{
	_Atomic uint32_t *s = &stripes[(addr >> 3) % STRIPES];
	spin_own_begin();
	for (unsigned n = 0; unlikely(atomic_exchange_explicit(s, 1, memory_order_acquire)); n++) {
		if (n < 100)
			__builtin_ia32_pause();
		else
			sys0(SYS_sched_yield);
	}
	return s;
}

static void leave(_Atomic uint32_t *s)
{
	atomic_store_explicit(s, 0, memory_order_release);
	spin_own_end();
}

HOT uint32_t clock_of(uint64_t w) { return (uint32_t)(w >> 32); }
HOT uint32_t mask_of(uint64_t w) { return (uint32_t)(w >> RECORD_SHIFT) & 255; }

uint32_t hybrid_set(const struct thread *t)
{
	uint32_t set = t->race->set == RACE_NO_SET ? 0 : t->race->set, n = atomic_load_explicit(&t->nr_held, memory_order_relaxed);
	return n > RACE_SET_KEEP || (n && !set) ? SOME_LOCKS : set;
}

/* Is there one that keeps the two apart? Two readers are not kept apart. */
static bool common(uint32_t a, uint32_t b)
{
	if (a == SOME_LOCKS || b == SOME_LOCKS)
		return a && b;
	const struct race_set *x = race_set_get(a), *y = race_set_get(b);
	for (uint32_t i = 0; a && b && i < x->nr; i++)
		for (uint32_t k = 0; k < y->nr; k++)
			if (x->held[i].lock == y->held[k].lock && !(x->held[i].key & y->held[k].key & ORDER_READ))
				return true;
	return false;
}

/* Has b every lock that a has? */
static bool within(uint32_t a, uint32_t b)
{
	if (a == SOME_LOCKS || b == SOME_LOCKS)
		return a == b;
	const struct race_set *x = race_set_get(a), *y = race_set_get(b);
	for (uint32_t i = 0; a != b && i < x->nr; i++) {
		uint32_t k = 0;
		while (k < y->nr && (x->held[i].lock != y->held[k].lock || x->held[i].key & ORDER_READ & ~y->held[k].key))
			k++;
		if (k == y->nr)
			return false;
	}
	return true;
}

/* The sections of a's thread that its conflict with r is about; NULL: all of them. */
static void conflict(const struct hybrid_access *a, struct hybrid_thread *h, const struct record *r)
{
	const struct race_set *y = race_set_get(r ? r->set : 0);
	for (uint32_t i = 0; i < h->nr_sections; i++) {
		const struct section *s = &h->section[i];
		bool both = !r || r->set == SOME_LOCKS;
		for (uint32_t k = 0; !both && k < y->nr; k++)
			both = y->held[k].lock == s->lock && !(s->shared && y->held[k].key & ORDER_READ);
		if (both)
			hybrid_conflict(a->t, s, r ? slot_of(r->word) : 0, r ? clock_of(r->word) : 0, a->addr & ~7ul);
	}
}

/* What the newer one speaks for need not be kept: nor what has been told. */
static bool speaks_for(const struct hybrid_access *a, const struct hybrid_thread *h, const struct record *r, bool other)
{
	if (r->word & RECORD_WRITE && !a->write)
		return false;
	if (other && h->vc[slot_of(r->word)] < clock_of(r->word))
		return a->write;
	if (other && !a->write && r->set) /* who writes in a section of those comes after both */
		return false;
	/* Under fewer locks it says more to who writes without (guard.h), under more of them to who takes one of those. */
	return within(r->set, a->set) && (other || within(a->set, r->set));
}

HOT bool is_other_slot(const struct race_thread *rt, const struct hybrid_thread *h, uint64_t w)
{
	return slot_of(w) != rt->slot || clock_of(w) < h->birth;
}

static bool is_other(const struct hybrid_access *a, const struct hybrid_thread *h, uint64_t w)
{
	return is_other_slot(a->t->race, h, w);
}

/* One epoch, kind and set of locks: one record, whatever its bytes. */
static bool merges(const struct record *r, uint64_t mine, uint32_t set)
{
	return !((r->word ^ mine) & ~(RECORD_MASK | FLAGS)) && r->word >> RECORD_SHIFT && r->set == set;
}

static void record(const struct hybrid_access *a, const struct hybrid_thread *h, struct place *p, uint64_t flags)
{
	unsigned put = 0, score = 0, same = RECORDS;
	uint64_t mine = a->t->race->epoch | (uint64_t)a->mask << RECORD_SHIFT | (a->write ? RECORD_WRITE : 0);
	flags |= p->r[0].word & FLAGS;
	p->r[0].word &= ~FLAGS;
	for (unsigned i = 0; i < RECORDS; i++) {
		struct record *r = &p->r[i];
		uint64_t w = r->word;
		bool other = is_other(a, h, w);
		if (w && mask_of(w) & a->mask) {
			if (!other && w & RECORD_WRITE && !a->write && clock_of(w) == clock_of(mine) && !(a->mask & ~mask_of(w)) &&
			    within(r->set, a->set) && within(a->set, r->set)) {
				p->r[0].word |= flags;
				return; /* it speaks for this one */
			}
			if (speaks_for(a, h, r, other)) {
				w &= ~((uint64_t)a->mask << RECORD_SHIFT);
				r->word = w = mask_of(w) ? w : 0;
			}
		}
		if (w && merges(r, mine, a->set) && (same == RECORDS || r->stack == a->stack))
			same = i;
		unsigned s = !w ? 9 : (w & RECORD_WRITE ? 1 : 5) + (other ? 2 : 0) + (mask_of(w) & a->mask ? 1 : 0);
		if (s > score) {
			score = s;
			put = i;
		}
	}
	if (same < RECORDS && (p->r[same].stack == a->stack || p->r[put].word)) {
		put = same; /* rather another stack than nothing */
		mine |= p->r[same].word;
	} else if (p->r[put].word) {
		flags |= p->r[put].word & RECORD_WRITE ? LOST_WRITE : LOST_READ;
	}
	p->r[put].stack = a->stack;
	p->r[put].set = a->set;
	p->r[put].word = mine;
	p->r[0].word |= flags;
}

static void sections_wrote(const struct thread *t, struct hybrid_thread *h, uintptr_t addr)
{
	/* Its own stack is no place to leave a message at. */
	if (addr - t->stacks.lo >= t->stacks.hi - t->stacks.lo)
		for (uint32_t i = 0; i < h->nr_sections; i++)
			h->section[i].wrote = !h->section[i].foreign;
}

/*
 * Takes no lock, and calls nothing. Two threads that come to one granule at the same moment may lose a record of each other's: they
 * are neither in sections of one lock then, nor at the same bytes without a race.
 */
bool access_fast_hybrid(struct thread *t, uintptr_t addr, unsigned bytes, bool write, uint32_t stack)
{
	struct race_thread *rt = t->race;
	struct hybrid_thread *h = hybrid_of(rt);
	struct granule *g = shadow_granule(addr);
	struct place *p = place_find(addr);
	uint32_t context;
	if (!p || !g || !h || (addr & 7) + bytes > 8 || (rt->pending | atomic_load_explicit(&rt->poked, memory_order_relaxed)) != PENDING_SLOW ||
	    !race_context_known(rt, stack, &context) || (t->nr_held && !rt->set))
		return false;
	uint64_t mask = granule_mask(addr, bytes), mine = rt->epoch | mask | (write ? RECORD_WRITE : 0), now[RECORDS];
	uint64_t flags = p->r[0].word & FLAGS;
	unsigned put = RECORDS, room = RECORDS;
	bool covered = false;
	if (flags & GUARDED || (flags && h->nr_sections))
		return false;
	for (unsigned i = RECORDS; i-- > 0;) {
		uint64_t w = now[i] = i ? p->r[i].word : p->r[i].word & ~FLAGS;
		if (!w) {
			room = i;
		} else if (is_other_slot(rt, h, w)) {
			if (w & mask && (write || w & RECORD_WRITE))
				return false;
		} else if (merges(&p->r[i], mine, rt->set) && p->r[i].stack == stack) {
			put = i;
		} else if (w & mask) {
			if (p->r[i].set != rt->set)
				return false;
			if (write || !(w & RECORD_WRITE)) {
				now[i] = w & RECORD_MASK & ~mask ? w & ~mask : 0;
				room = now[i] ? room : i;
			} else {
				covered |= clock_of(w) == clock_of(mine) && !(mask & ~w);
			}
		}
	}
	for (unsigned i = 0; put == RECORDS && room == RECORDS && i < RECORDS; i++)
		if (!(now[i] & RECORD_WRITE)) {
			room = i;
			flags |= LOST_READ;
		}
	if (put == RECORDS)
		put = room;
	if ((put == RECORDS && !covered) || !hybrid_note(h, addr, bytes) || !granule_access(rt, g, mask, write, context, NULL))
		return false;
	if (write)
		sections_wrote(t, h, addr);
	if (covered)
		return true;
	if (merges(&p->r[put], mine, rt->set) && p->r[put].stack == stack)
		mine |= now[put];
	for (unsigned i = 0; i < RECORDS; i++)
		if (i != put && now[i] != (p->r[i].word & ~(i ? 0 : FLAGS)))
			p->r[i].word = now[i] | (i ? 0 : flags);
	p->r[put].stack = stack;
	p->r[put].set = rt->set;
	__asm__ volatile("" ::: "memory");
	p->r[put].word = mine | (put ? 0 : flags);
	if (put && flags != (p->r[0].word & FLAGS))
		p->r[0].word |= flags;
	return true;
}

bool hybrid_seen(const struct hybrid_access *a, bool keep, struct race_side *other)
{
	struct race_thread *rt = a->t->race;
	struct hybrid_thread *h = hybrid_of(rt);
	struct place *p = place_get(a->addr), was;
	struct guard_side of[RECORDS];
	const struct record *theirs[RECORDS];
	unsigned nr = 0;
	bool found = false, shared = false;
	if (!p || !h)
		return false;
	_Atomic uint32_t *s = enter(a->addr);
	was = *p;
	leave(s);
	uint64_t flags = was.r[0].word & FLAGS;
	was.r[0].word &= ~FLAGS;
	for (unsigned i = 0; i < RECORDS; i++) {
		const struct record *r = &was.r[i];
		uint32_t slot = slot_of(r->word), clock = clock_of(r->word);
		bool write = (r->word & RECORD_WRITE) != 0;
		if (!(mask_of(r->word) & a->mask) || !is_other(a, h, r->word))
			continue;
		shared = true;
		if (!write && !a->write)
			continue;
		theirs[nr] = r;
		of[nr++] = (struct guard_side){ .slot = slot, .clock = clock, .stack = r->stack, .set = r->set, .write = write,
						.mask = mask_of(r->word) };
	}
	if (keep && a->set != SOME_LOCKS && guard_seen(a, of, nr, (flags & GUARDED) != 0, shared, h))
		flags |= GUARDED;
	for (unsigned i = 0; i < nr; i++)
		if (theirs[i]->set)
			conflict(a, h, theirs[i]);
	if (flags & LOST_WRITE || (a->write && flags & LOST_READ))
		conflict(a, h, NULL);
	for (unsigned i = 0; i < nr; i++) {
		uint32_t slot = of[i].slot, clock = of[i].clock;
		/* What is in no order at all is race.h's. */
		if (rt->vc[slot] < clock || h->vc[slot] >= clock || common(a->set, of[i].set) || hybrid_knows(a->t, slot, clock))
			continue;
		uintptr_t at = (a->addr & ~7ul) + (unsigned)__builtin_ctz(of[i].mask);
		*other = (struct race_side){ clock_owner(slot, clock), of[i].stack, of[i].set, at,
					     (uint8_t)__builtin_popcount(of[i].mask), of[i].write };
		found = true;
	}
	if (keep && a->write)
		sections_wrote(a->t, h, a->addr);
	if (keep) {
		s = enter(a->addr);
		record(a, h, p, flags & GUARDED);
		leave(s);
	}
	return found;
}

/* ---- what is forgotten ---- */

static void wipe_place(struct place *p, uintptr_t addr, uint32_t mask)
{
	if (!(p->r[0].word | p->r[1].word | p->r[2].word | p->r[3].word))
		return;
	_Atomic uint32_t *s = enter(addr);
	bool guarded = p->r[0].word & GUARDED;
	for (unsigned i = 0; i < RECORDS; i++) {
		uint64_t w = p->r[i].word & ~((uint64_t)mask << RECORD_SHIFT);
		p->r[i].word = mask_of(w) ? w : w & FLAGS;
	}
	if (mask == 255)
		p->r[0].word = 0;
	leave(s);
	if (guarded && mask == 255)
		guard_forget(addr);
}

void hybrid_wipe(uintptr_t addr, size_t bytes)
{
	uintptr_t end = addr + bytes;
	if (end < addr || end >> 47)
		return;
	for (uintptr_t stop; addr < end; addr = stop) {
		struct place *p = place_find(addr);
		stop = shadow_region_end(addr) < end ? shadow_region_end(addr) : end;
		if (!p)
			continue;
		uintptr_t lo = ((uintptr_t)(p + 1) + PAGE - 1) & ~(PAGE - 1), hi = (uintptr_t)(p + (stop - addr) / 8) & ~(PAGE - 1);
		/* Long: what guard.h counts there is not looked for, but given up by and by. */
		bool drop = hi > lo && hi - lo >= DROP_FROM && sys3(SYS_madvise, lo, hi - lo, MADV_DONTNEED) == 0;
		for (uintptr_t at = addr, to; at < stop; at = to, p++) {
			if (drop && (uintptr_t)p == lo) {
				at += (hi - lo) / sizeof *p * 8;
				at &= ~7ul;
				p = (struct place *)hi;
				if (at >= stop)
					break;
			}
			to = (at | 7) + 1 < stop ? (at | 7) + 1 : stop;
			wipe_place(p, at, (0xffu >> (8 - (to - at))) << (at & 7));
		}
	}
}
