#include "core/object.h"

#include "base/arena.h"
#include "base/spin.h"
#include "core/module.h"

#include <string.h>

/* Records live in chunks found through a sparse tree of two levels. */
#define CHUNK_BITS 8
#define CHUNK (1u << CHUNK_BITS)
#define DIR_BITS 8
#define MAX_SERIAL (1u << OBJECT_FAMILY_SHIFT)
#define TOP (MAX_SERIAL >> (CHUNK_BITS + DIR_BITS))

/*
 * Ids are never used again, the memory behind them is: a chunk whose objects have all ended, the last one before the chunk made
 * last, serves the next ones. Whoever still has the id of one of them finds that nothing is known of it; whoever still has a
 * pointer looks at some other object's record, never at anything else.
 */
struct chunk {
	uint32_t index, live;
	struct chunk *next;
	struct object o[CHUNK];
};
struct dir {
	struct chunk *_Atomic chunk[1u << DIR_BITS];
};

#define PAGE_BITS 12
#define FILTER_BITS (1u << 20)

struct object_table *_Atomic object_table;
_Atomic bool object_any_dynamic;

static struct spin lock = SPIN_INIT(RANK_LOCKS);
static struct dir *_Atomic *top;
static uint32_t nr_serial = 1;
static struct chunk *ended, *ended_lately; /* chunks with nothing in them */
static uint32_t nr_used;                   /* slots with an address */
static _Atomic uint64_t dropped;
static struct object unknown = { .kind = LOCK_UNKNOWN, .place = PLACE_HEAP };

/* page number -> first object there; open addressing, 0 empty */
struct page_slot {
	uintptr_t page;
	uint32_t first;
};
static struct page_slot *pages;
static uint32_t page_mask, nr_pages;
static _Atomic uint64_t *filter; /* bit per hashed page */

static uint32_t page_hash(uintptr_t page) { return (uint32_t)((page * 0x9e3779b97f4a7c15u) >> 32); }

void object_start(void)
{
	uint32_t n = 1024;
	struct object_table *t = arena_map(sizeof *t + n * sizeof t->slot[0]);
	top = arena_map(TOP * sizeof *top);
	pages = arena_map(1024 * sizeof *pages);
	filter = arena_map(FILTER_BITS / 8);
	if (!t || !top || !pages || !filter)
		return;
	t->mask = n - 1;
	page_mask = 1023;
	atomic_store(&object_table, t);
}

static struct chunk *_Atomic *chunk_place(uint32_t index)
{
	struct dir *d = atomic_load_explicit(&top[index >> DIR_BITS], memory_order_acquire);
	return d ? &d->chunk[index & ((1u << DIR_BITS) - 1)] : NULL;
}

static struct object *record(uint32_t id)
{
	uint32_t serial = id & (MAX_SERIAL - 1);
	struct chunk *_Atomic *place = chunk_place(serial >> CHUNK_BITS);
	struct chunk *chunk = place ? atomic_load_explicit(place, memory_order_acquire) : NULL;
	return chunk ? &chunk->o[serial & (CHUNK - 1)] : NULL;
}

struct object *object_by_id(uint32_t id)
{
	struct object *o = id ? record(id) : NULL;
	return o && o->id == id ? o : &unknown;
}

/* An empty chunk, new or used. */
static struct chunk *chunk_get(uint32_t index)
{
	struct chunk *c = ended;
	if (c) {
		ended = c->next;
		atomic_store_explicit(chunk_place(c->index), NULL, memory_order_release);
		memset(c, 0, sizeof *c);
	} else if (!(c = arena_alloc(sizeof *c))) {
		return NULL;
	}
	/* What ended since the last one was made may still be talked about. */
	if (!ended) {
		ended = ended_lately;
		ended_lately = NULL;
	}
	c->index = index;
	return c;
}

static struct object *record_new(enum object_family family)
{
	uint32_t serial = nr_serial, index = serial >> CHUNK_BITS;
	if (serial >= MAX_SERIAL)
		return NULL;
	if (!top[index >> DIR_BITS]) {
		struct dir *d = arena_alloc(sizeof *d);
		if (!d)
			return NULL;
		atomic_store_explicit(&top[index >> DIR_BITS], d, memory_order_release);
	}
	struct chunk *_Atomic *place = chunk_place(index);
	struct chunk *c = atomic_load_explicit(place, memory_order_relaxed);
	if (!c) {
		c = chunk_get(index);
		if (!c)
			return NULL;
		atomic_store_explicit(place, c, memory_order_release);
	}
	nr_serial++;
	c->live++;
	struct object *o = &c->o[serial & (CHUNK - 1)];
	o->id = (uint32_t)family << OBJECT_FAMILY_SHIFT | serial;
	return o;
}

/* Nothing refers to it any more: not the address it was at, nor the page. */
static void record_over(const struct object *o)
{
	uint32_t index = (o->id & (MAX_SERIAL - 1)) >> CHUNK_BITS;
	struct chunk *c = atomic_load_explicit(chunk_place(index), memory_order_relaxed);
	CHECK(c->live);
	if (--c->live || index == nr_serial >> CHUNK_BITS)
		return;
	c->next = ended_lately;
	ended_lately = c;
}

static struct object_slot *slot_of(struct object_table *t, uintptr_t addr)
{
	for (uint32_t i = object_hash(addr) & t->mask;; i = (i + 1) & t->mask) {
		uintptr_t a = atomic_load_explicit(&t->slot[i].addr, memory_order_relaxed);
		if (a == addr || a == 0)
			return &t->slot[i];
	}
}

static struct object_table *spare; /* the one before, where it is of the same size */

/* Readers may be looking at it: an id goes before its address does, and comes after. */
static void table_wipe(struct object_table *t)
{
	atomic_fetch_add(&t->used, 1);
	for (uint32_t i = 0; i <= t->mask; i++)
		atomic_store_explicit(&t->slot[i].id, 0, memory_order_relaxed);
	for (uint32_t i = 0; i <= t->mask; i++) {
		atomic_store_explicit(&t->slot[i].addr, 0, memory_order_release);
		t->slot[i].dead = 0;
	}
}

/* Makes room for one more. Readers may still walk the old table, so it is kept: the next one of the same size is made in it, and
 * those that were outgrown sum up to less than the one in use. */
static bool table_room(void)
{
	struct object_table *t = atomic_load_explicit(&object_table, memory_order_relaxed), *next = spare;
	if (nr_used * 2 <= t->mask)
		return true;
	uint32_t alive = 0;
	for (uint32_t i = 0; i <= t->mask; i++)
		alive += t->slot[i].id || t->slot[i].dead;
	/* Addresses that ended are dropped here; with many of them the size may stay. */
	bool stays = alive * 4 <= t->mask;
	uint32_t n = (t->mask + 1) * (stays ? 1 : 2);
	if (stays && next)
		table_wipe(next);
	else
		next = arena_map(sizeof *next + (size_t)n * sizeof t->slot[0]);
	if (!next)
		return nr_used < t->mask - 1;
	next->mask = n - 1;
	nr_used = 0;
	for (uint32_t i = 0; i <= t->mask; i++) {
		if (!t->slot[i].id && !t->slot[i].dead)
			continue;
		struct object_slot *s = slot_of(next, t->slot[i].addr);
		s->dead = t->slot[i].dead;
		atomic_store_explicit(&s->addr, t->slot[i].addr, memory_order_release);
		atomic_store_explicit(&s->id, t->slot[i].id, memory_order_release);
		nr_used++;
	}
	spare = stays ? t : NULL;
	atomic_store_explicit(&object_table, next, memory_order_release);
	return true;
}

static struct page_slot *page_slot_of(struct page_slot *table, uint32_t mask, uintptr_t page)
{
	for (uint32_t i = page_hash(page) & mask;; i = (i + 1) & mask)
		if (table[i].page == page || table[i].page == 0)
			return &table[i];
}

static bool page_room(void)
{
	if (nr_pages * 2 <= page_mask)
		return true;
	uint32_t alive = 0;
	for (uint32_t i = 0; i <= page_mask; i++)
		alive += pages[i].first != 0;
	uint32_t n = (page_mask + 1) * (alive * 4 > page_mask ? 2 : 1);
	struct page_slot *bigger = arena_map((size_t)n * sizeof *bigger);
	if (!bigger)
		return nr_pages < page_mask - 1;
	nr_pages = 0;
	for (uint32_t i = 0; i <= page_mask; i++)
		if (pages[i].first) {
			*page_slot_of(bigger, n - 1, pages[i].page) = pages[i];
			nr_pages++;
		}
	/* Only ever read under the lock. */
	arena_unmap(pages, (size_t)(page_mask + 1) * sizeof *pages);
	pages = bigger;
	page_mask = n - 1;
	return true;
}

static void page_add(struct object *o)
{
	uintptr_t page = o->addr >> PAGE_BITS;
	if (!page_room())
		return;
	struct page_slot *p = page_slot_of(pages, page_mask, page);
	if (!p->page) {
		p->page = page;
		nr_pages++;
	}
	o->next_in_page = p->first;
	p->first = o->id;
	uint32_t bit = page_hash(page) % FILTER_BITS;
	atomic_fetch_or_explicit(&filter[bit / 64], 1ull << bit % 64, memory_order_release);
}

static void page_remove(struct object *o)
{
	struct page_slot *p = page_slot_of(pages, page_mask, o->addr >> PAGE_BITS);
	uint32_t *link = &p->first;
	while (*link && *link != o->id)
		link = &object_by_id(*link)->next_in_page;
	if (*link)
		*link = o->next_in_page;
}

/* The object at this slot has ended. A destroyed one stays in its page's list until the memory ends too. */
static void end_locked(struct object_slot *s, struct object *o, bool remember)
{
	atomic_store_explicit(&s->id, 0, memory_order_release);
	s->dead = remember ? o->id : 0;
	atomic_store_explicit(&o->destroyed, true, memory_order_relaxed);
	if (!remember) {
		page_remove(o);
		record_over(o);
	}
}

static enum object_place place_of(const struct object_news *n)
{
	if (module_find(n->addr))
		return PLACE_STATIC;
	if (n->addr >= n->stack_lo && n->addr < n->stack_hi)
		return PLACE_STACK;
	return PLACE_HEAP;
}

uint32_t object_add(const struct object_news *n, uint32_t *old, uint32_t *dead)
{
	enum object_place place = place_of(n);
	*old = *dead = 0;
	if (!object_table)
		return 0;
	spin_lock(&lock);
	struct object *o = NULL;
	uint32_t id = 0;
	struct object_slot *s = table_room() ? slot_of(object_table, n->addr) : NULL;
	if (s) {
		id = s->id;
		if (id >> OBJECT_FAMILY_SHIFT == (uint32_t)n->family && !n->init) {
			/* Another thread was faster. */
			spin_unlock(&lock);
			return id;
		}
		o = record_new(n->family);
	}
	if (o) {
		*dead = s->dead;
		if (*dead) {
			page_remove(object_by_id(*dead));
			record_over(object_by_id(*dead));
		}
		if (id) {
			*old = id;
			end_locked(s, object_by_id(id), false);
		}
		o->addr = n->addr;
		o->kind = (uint8_t)n->kind;
		o->attrs = (uint8_t)n->attrs;
		o->place = (uint8_t)place;
		o->init_seen = n->init;
		*(n->init ? &o->init_stack : &o->first_stack) = n->stack;
		o->init_thread = n->thread;
		o->owner_thread = place == PLACE_STACK ? n->thread : 0;
		id = o->id;
		page_add(o);
		if (place != PLACE_STATIC)
			atomic_store_explicit(&object_any_dynamic, true, memory_order_relaxed);
		s->dead = 0;
		nr_used += !s->addr;
		atomic_store_explicit(&s->addr, n->addr, memory_order_release);
		atomic_store_explicit(&s->id, id, memory_order_release);
	}
	spin_unlock(&lock);
	if (!o) {
		atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
		return 0;
	}
	return id;
}

/* What its slot says; again when the table went out of use meanwhile. */
static uint32_t look(uintptr_t addr, bool want_dead)
{
	for (;;) {
		struct object_table *t = atomic_load_explicit(&object_table, memory_order_acquire);
		if (!t)
			return 0;
		uint32_t used = atomic_load_explicit(&t->used, memory_order_acquire);
		const struct object_slot *s = slot_of(t, addr);
		uint32_t id = atomic_load_explicit(&s->id, memory_order_acquire), dead = atomic_load_explicit(&s->dead, memory_order_acquire);
		bool there = atomic_load_explicit(&s->addr, memory_order_acquire) == addr;
		if (t != atomic_load_explicit(&object_table, memory_order_acquire) ||
		    used != atomic_load_explicit(&t->used, memory_order_relaxed))
			continue;
		if (want_dead)
			return there && !id ? dead : 0;
		return there ? id : 0;
	}
}

uint32_t object_at(uintptr_t addr) { return look(addr, false); }
uint32_t object_dead_at(uintptr_t addr) { return look(addr, true); }

void object_destroy(uint32_t id)
{
	spin_lock(&lock);
	struct object *o = object_by_id(id);
	if (o != &unknown) {
		struct object_slot *s = slot_of(object_table, o->addr);
		/* A stack slot is used again by the next call: nothing there can be said to be used after its end. */
		if (s->id == id)
			end_locked(s, o, o->place != PLACE_STACK);
	}
	spin_unlock(&lock);
}

static bool page_maybe(uintptr_t page)
{
	uint32_t bit = page_hash(page) % FILTER_BITS;
	return atomic_load_explicit(&filter[bit / 64], memory_order_acquire) >> bit % 64 & 1;
}

bool object_maybe_in(uintptr_t addr, size_t bytes)
{
	if (!bytes || !filter)
		return false;
	uintptr_t first = addr >> PAGE_BITS, last = (addr + bytes - 1) >> PAGE_BITS;
	if (last - first > 256)
		return true;
	for (uintptr_t p = first; p <= last; p++)
		if (page_maybe(p))
			return true;
	return false;
}

/* Ends what the test accepts among the objects of one page. Their ids go to f after the lock is released, in batches. */
struct sweep {
	uintptr_t lo, hi;
	uint32_t thread; /* 0: any; else only what lies on its stack */
	uintptr_t lowest_left;
	uint32_t batch[64];
	uintptr_t addr[64]; /* the record may be another object's by the time f runs */
	unsigned nr;
};

static void sweep_page(struct sweep *w, struct page_slot *p)
{
	uint32_t id = p->first;
	while (id && w->nr < ARRAY_SIZE(w->batch)) {
		struct object *o = object_by_id(id);
		id = o->next_in_page;
		if (w->thread && o->owner_thread != w->thread)
			continue;
		if (o->addr >= w->lo && o->addr < w->hi) {
			struct object_slot *s = slot_of(object_table, o->addr);
			if (s->id == o->id) {
				w->addr[w->nr] = o->addr;
				w->batch[w->nr++] = o->id;
			}
			end_locked(s, o, false);
		} else if (o->addr < w->lowest_left) {
			w->lowest_left = o->addr;
		}
	}
}

static void sweep(struct sweep *w, object_gone_fn *f, void *arg)
{
	uintptr_t first = w->lo >> PAGE_BITS, last = (w->hi - 1) >> PAGE_BITS;
	do {
		w->nr = 0;
		spin_lock(&lock);
		if (last - first <= page_mask) {
			for (uintptr_t page = first; page <= last && w->nr < ARRAY_SIZE(w->batch); page++)
				if (page_maybe(page))
					sweep_page(w, page_slot_of(pages, page_mask, page));
		} else {
			for (uint32_t i = 0; i <= page_mask && w->nr < ARRAY_SIZE(w->batch); i++)
				if (pages[i].page >= first && pages[i].page <= last)
					sweep_page(w, &pages[i]);
		}
		spin_unlock(&lock);
		for (unsigned i = 0; i < w->nr; i++)
			f(w->batch[i], w->addr[i], arg);
	} while (w->nr == ARRAY_SIZE(w->batch));
}

void object_forget_range(uintptr_t addr, size_t bytes, object_gone_fn *f, void *arg)
{
	if (!bytes || !object_table)
		return;
	struct sweep w = { .lo = addr, .hi = addr + bytes };
	sweep(&w, f, arg);
}

uintptr_t object_forget_stack(uint32_t thread, uintptr_t lo, uintptr_t below, object_gone_fn *f, void *arg)
{
	struct sweep w = { .lo = lo, .hi = below, .thread = thread, .lowest_left = UINTPTR_MAX };
	if (object_table)
		sweep(&w, f, arg);
	return w.lowest_left;
}

uint64_t object_count(void) { return nr_serial - 1; }
uint64_t object_dropped(void) { return atomic_load_explicit(&dropped, memory_order_relaxed); }
void object_fork_child(void) { spin_reset(&lock); }
