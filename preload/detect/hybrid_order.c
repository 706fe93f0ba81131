/* hybrid_order.c - The second clock of hybrid.h: what is sent, what is received, what a section is worth. */
#include "detect/hybrid.h"

#include "base/arena.h"
#include "core/depot.h"
#include "core/module.h"
#include "core/object.h"
#include "detect/order.h"
#include "detect/race_inside.h"

#include <string.h>

bool race_hybrid;
/* What all sections of a lock have sent, should it come to count. */
#define KEY_LOCK(key) ((key) ^ 1ul << 57)

static struct hybrid_thread *of_slot[RACE_SLOTS];

struct hybrid_thread *hybrid_of(const struct race_thread *rt) { return of_slot[rt->slot]; }

static void take(uintptr_t key, struct hybrid_thread *h)
{
	if (likely(h != NULL)) {
		sync_take(key, h->vc);
		sync_take(key, h->without);
	}
}

/* After all sections of the lock so far: a reader's comes after writers' only. */
static bool learn_lock(const struct section *s, uint32_t *vc)
{
	bool news = sync_take(KEY_LOCK(s->key), vc);
	if (s->is_rwlock && !s->shared)
		news |= sync_take(KEY_LOCK(s->key + 1), vc);
	return news;
}

static void join(uint32_t *into, const uint32_t *from)
{
	for (uint32_t i = 1, n = clock_width(); i < n; i++)
		into[i] = from[i] > into[i] ? from[i] : into[i];
}

bool hybrid_started(struct thread *t)
{
	uint32_t slot = t->race->slot;
	struct hybrid_thread *h = of_slot[slot];
	if (!h)
		h = of_slot[slot] = arena_map(sizeof *h);
	if (!h)
		return false;
	for (uint32_t i = 0; i < RACE_SLOTS; i++)
		h->vc[i] = 0;
	if (!sync_take(KEY_WEAK(KEY_START(t->id)), h->vc)) /* nobody saw it being created */
		join(h->vc, t->race->vc);
	for (uint32_t i = 0; i < RACE_SLOTS; i++)
		h->without[i] = h->vc[i];
	h->birth = race_clock(t->race);
	h->through = 0;
	h->nr_sections = h->nr_pages = 0;
	h->last_page = 0;
	t->race->pending |= PENDING_SLOW;
	return true;
}

/* Is key the lock's own, or that of its readers (hooks/rwlock.c)? */
static struct section *section_of(struct hybrid_thread *h, uintptr_t key)
{
	for (uint32_t i = h->nr_sections; i-- > 0;)
		if (h->section[i].key == key || h->section[i].key + 1 == key)
			return &h->section[i];
	return NULL;
}

/* Only the outermost release ends it. A read-write lock is told of before its entry goes, the others after. */
static bool ends(const struct thread *t, const struct section *s)
{
	for (uint32_t i = atomic_load_explicit(&t->nr_held, memory_order_relaxed); i-- > 0;)
		if (t->held[i].addr == s->key)
			return t->held[i].family == FAMILY_RWLOCK && t->held[i].count <= 1;
	return true;
}

static void keep_end(struct hybrid_thread *h, uintptr_t key, uint32_t own)
{
	uint32_t n = clock_width();
	if (n > END_SLOTS)
		return;
	while (atomic_exchange_explicit(&h->ends_lock, 1, memory_order_acquire))
		__builtin_ia32_pause();
	struct section_end *e = &h->end[h->nr_ends++ % MAX_ENDS];
	e->key = key;
	e->own = own;
	e->n = n;
	memcpy(e->vc, h->vc, n * sizeof *e->vc);
	atomic_store_explicit(&h->ends_lock, 0, memory_order_release);
}

/* After the section of that lock in which slot was at that clock. False: it is not remembered. */
static bool learn_end(uint32_t slot, uint32_t clock, const struct section *s, uint32_t *vc, bool *news)
{
	struct hybrid_thread *u = of_slot[slot];
	struct section_end *best = NULL;
	if (!u)
		return false;
	while (atomic_exchange_explicit(&u->ends_lock, 1, memory_order_acquire))
		__builtin_ia32_pause();
	for (uint32_t i = u->nr_ends; i-- > 0 && u->nr_ends - i <= MAX_ENDS;) {
		struct section_end *e = &u->end[i % MAX_ENDS];
		if (e->own < clock)
			break;
		if (e->key == s->key || (s->is_rwlock && e->key == s->key + 1))
			best = e;
	}
	for (uint32_t i = 1; best && i < best->n; i++) {
		*news |= best->vc[i] > vc[i];
		vc[i] = best->vc[i] > vc[i] ? best->vc[i] : vc[i];
	}
	atomic_store_explicit(&u->ends_lock, 0, memory_order_release);
	return best != NULL;
}

void hybrid_sent(struct thread *t, uintptr_t key, uint32_t own)
{
	struct race_thread *rt = t->race;
	struct hybrid_thread *h = of_slot[rt->slot];
	struct section *s = h ? section_of(h, key) : NULL;
	if (!h)
		return;
	if (s && !s->wrote) { /* whatever it did comes after the last one, and before the next */
		learn_lock(s, h->vc);
		learn_lock(s, h->without);
	}
	uint32_t was = h->vc[rt->slot];
	h->vc[rt->slot] = own;
	if (!s || !s->wrote)
		sync_join(KEY_WEAK(key), h->vc);
	if (s) {
		sync_join(KEY_LOCK(key), h->vc);
		keep_end(h, key, own);
	}
	h->vc[rt->slot] = was;
	if (s && ends(t, s)) {
		for (struct section *n = s + 1; n < h->section + h->nr_sections; n++)
			n[-1] = *n;
		h->nr_sections--;
	}
}

void hybrid_received(struct thread *t, uintptr_t key) { take(KEY_WEAK(key), of_slot[t->race->slot]); }

static bool is_foreign(uint32_t stack)
{
	const struct depot_stack *s = depot_get(stack);
	const struct module *m = s && s->nr && s->frame[0].module != DEPOT_PYTHON ? module_by_id(s->frame[0].module) : NULL;
	return !m || m->system;
}

void hybrid_locked(struct thread *t)
{
	struct hybrid_thread *h = of_slot[t->race->slot];
	const struct held *last = &t->held[t->nr_held - 1];
	bool section = last->family == FAMILY_MUTEX || last->family == FAMILY_RWLOCK || last->family == FAMILY_SPIN;
	if (section && h->nr_sections < MAX_SECTIONS && !section_of(h, last->addr))
		h->section[h->nr_sections++] = (struct section){ .key = last->addr, .lock = last->lock,
								 .shared = (last->key & ORDER_READ) != 0,
								 .is_rwlock = last->family == FAMILY_RWLOCK,
								 .foreign = last->stack && is_foreign(last->stack) };
	/* What was accessed before it was taken counts anew. */
	race_tag_step(t->race);
}

void hybrid_learn(struct race_thread *rt)
{
	struct hybrid_thread *h = of_slot[rt->slot];
	join(h->vc, rt->vc);
	join(h->without, rt->vc);
}

bool hybrid_knows(struct thread *t, uint32_t slot, uint32_t clock)
{
	struct hybrid_thread *h = of_slot[t->race->slot];
	for (uint32_t i = 0; i < h->nr_sections && h->vc[slot] < clock; i++)
		if (!h->section[i].wrote)
			learn_lock(&h->section[i], h->vc);
	return h->vc[slot] >= clock;
}

static bool learn(const struct section *s, uint32_t slot, uint32_t clock, uint32_t *vc)
{
	bool news = false;
	return slot && learn_end(slot, clock, s, vc, &news) ? news : learn_lock(s, vc);
}

void hybrid_conflict(struct thread *t, const struct section *s, uint32_t slot, uint32_t clock, uintptr_t granule)
{
	struct hybrid_thread *h = of_slot[t->race->slot];
	uint32_t n = clock_width(), before[END_SLOTS];
	if (h->through == granule) {
		learn(s, slot, clock, h->vc);
		return;
	}
	memcpy(before, h->vc, sizeof before);
	if (n > END_SLOTS || !learn(s, slot, clock, h->vc)) { /* no doubts where there are so many threads */
		if (n > END_SLOTS)
			learn(s, slot, clock, h->vc);
		learn(s, slot, clock, h->without);
		return;
	}
	/* What was known through another place only, this one may tell as well: there is no doubt about that any more. */
	memcpy(h->without, before, n * sizeof *before);
	h->through = granule;
}

/* ---- tags ---- */

#define PAGE_BITS 12

static void plane_clear(struct hybrid_thread *h)
{
	for (uint32_t i = 0; race_engine.forget && tls.thread && i < h->nr_pages; i++)
		race_engine.forget(tls.thread, h->page[i] << PAGE_BITS, 1ul << PAGE_BITS);
	h->nr_pages = 0;
	h->last_page = 0;
}

void hybrid_tag_step(struct race_thread *rt)
{
	struct hybrid_thread *h = of_slot[rt->slot];
	if (!h) /* it is only just being started: its plane is empty */
		h = of_slot[rt->slot] = arena_map(sizeof *h);
	if (h && ++h->tag > RACE_TAGS) {
		plane_clear(h);
		h->tag = 1;
	}
	if (h)
		race_tls.write_tag = (h->tag << 1 | 1) * 0x0101010101010101ull;
}

/* False: no room. */
static bool note_page(struct hybrid_thread *h, uintptr_t page)
{
	uint32_t i = (uint32_t)((page * 0x9e3779b97f4a7c15ull) >> 40) % (2 * MAX_PAGES);
	for (unsigned n = 0; n < 8; n++, i = (i + 1) % (2 * MAX_PAGES)) {
		uint32_t at = h->place_of[i];
		if (at < h->nr_pages && h->page[at] == page)
			return true;
		if (at >= h->nr_pages)
			break; /* nobody's any more; noted twice is no harm */
	}
	if (h->nr_pages == MAX_PAGES)
		return false;
	h->place_of[i] = (uint16_t)h->nr_pages;
	h->page[h->nr_pages++] = page;
	return true;
}

bool hybrid_note(struct hybrid_thread *h, uintptr_t addr, size_t bytes)
{
	uintptr_t page = addr >> PAGE_BITS, to = (addr + bytes - 1) >> PAGE_BITS;
	if (likely(page == h->last_page && to == page))
		return true;
	for (; page <= to; page++)
		if (!note_page(h, page))
			return false;
	h->last_page = to;
	return true;
}

void hybrid_tagged(struct thread *t, uintptr_t addr, size_t bytes)
{
	struct hybrid_thread *h = of_slot[t->race->slot];
	if (bytes >> PAGE_BITS >= MAX_PAGES || hybrid_note(h, addr, bytes))
		return;
	plane_clear(h);
	hybrid_note(h, addr, bytes);
}
