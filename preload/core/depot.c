/* depot.c - See depot.h. */
#include "core/depot.h"

#include <stdatomic.h>
#include <string.h>

#include "base/arena.h"
#include "base/spin.h"
#include "core/python.h"

#define CHUNK_BITS  13
#define CHUNK       (1u << CHUNK_BITS)
#define NR_CHUNKS   8192u /* 2^26 stacks; at a dozen frames each that is over 6 GB */
#define FIRST_SLOTS 4096u

/* Open addressing; an entry is hash << 32 | id, so that most misses need not look at the stack itself. 0 is empty. */
struct table {
	uint32_t mask;
	_Atomic uint64_t entry[];
};

/* An outgrown table stays for its readers: all together they are as big as the last one. */
static _Atomic(struct table *) live;
static _Atomic(const struct depot_stack **) chunk[NR_CHUNKS];
static _Atomic uint32_t nr_stacks;
static struct spin lock = SPIN_INIT(RANK_DEPOT);

_Static_assert(sizeof(struct depot_frame) == 8, "a frame is one word");

static uint32_t hash_of(const struct depot_frame *frames, unsigned nr, bool cut)
{
	uint64_t h = nr * 2 + cut;
	for (unsigned i = 0; i < nr; i++) {
		uint64_t w;
		memcpy(&w, &frames[i], sizeof(w));
		h = (h ^ w) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	h *= 0xbf58476d1ce4e5b9u;
	return (uint32_t)(h >> 32);
}

const struct depot_stack *depot_get(uint32_t id)
{
	if (id == 0 || id > atomic_load_explicit(&nr_stacks, memory_order_acquire))
		return NULL;
	const struct depot_stack **c = atomic_load_explicit(&chunk[id >> CHUNK_BITS], memory_order_acquire);
	return c[id % CHUNK];
}

uint32_t depot_count(void)
{
	return atomic_load_explicit(&nr_stacks, memory_order_acquire);
}

static uint32_t find(const struct table *t, uint32_t hash, const struct depot_frame *frames, unsigned nr, bool cut)
{
	if (!t)
		return 0;
	for (uint32_t i = hash & t->mask;; i = (i + 1) & t->mask) {
		uint64_t e = atomic_load_explicit(&t->entry[i], memory_order_acquire);
		if (e == 0)
			return 0;
		if (e >> 32 != hash)
			continue;
		const struct depot_stack *s = depot_get((uint32_t)e);
		if (s->nr == nr && s->cut == cut && memcmp(s->frame, frames, nr * sizeof(*frames)) == 0)
			return (uint32_t)e;
	}
}

static void enter(struct table *t, uint32_t hash, uint32_t id)
{
	uint32_t i = hash & t->mask;
	while (atomic_load_explicit(&t->entry[i], memory_order_relaxed))
		i = (i + 1) & t->mask;
	atomic_store_explicit(&t->entry[i], (uint64_t)hash << 32 | id, memory_order_release);
}

/* A table with room for one more: at most half full, so that probes stay short and always end. */
static struct table *table_locked(void)
{
	struct table *t = atomic_load_explicit(&live, memory_order_relaxed);
	uint32_t nr = depot_count();
	if (t && nr < t->mask / 2)
		return t;
	uint32_t slots = t ? (t->mask + 1) * 2 : FIRST_SLOTS;
	struct table *bigger = arena_map(sizeof(*t) + slots * sizeof(t->entry[0]));
	if (!bigger)
		return t && nr < t->mask / 8 * 7 ? t : NULL;
	bigger->mask = slots - 1;
	for (uint32_t id = 1; id <= nr; id++)
		enter(bigger, depot_get(id)->hash, id);
	atomic_store_explicit(&live, bigger, memory_order_release);
	return bigger;
}

static uint32_t add_locked(uint32_t hash, const struct depot_frame *frames, unsigned nr, bool cut)
{
	uint32_t id = depot_count() + 1;
	struct table *t = table_locked();
	if (!t || id >= CHUNK * NR_CHUNKS)
		return 0;
	const struct depot_stack **c = atomic_load_explicit(&chunk[id >> CHUNK_BITS], memory_order_relaxed);
	if (!c) {
		c = arena_map(CHUNK * sizeof(*c));
		if (!c)
			return 0;
		atomic_store_explicit(&chunk[id >> CHUNK_BITS], c, memory_order_release);
	}
	struct depot_stack *s = arena_alloc(sizeof(*s) + nr * sizeof(*frames));
	if (!s)
		return 0;
	s->hash = hash;
	s->nr = (uint16_t)nr;
	s->cut = cut;
	memcpy(s->frame, frames, nr * sizeof(*frames));
	c[id % CHUNK] = s;
	atomic_store_explicit(&nr_stacks, id, memory_order_release);
	enter(t, hash, id);
	return id;
}

uint32_t depot_put(const struct depot_frame *frames, unsigned nr, bool cut)
{
	if (nr > UINT16_MAX) {
		nr = UINT16_MAX;
		cut = true;
	}
	uint32_t hash = hash_of(frames, nr, cut);
	uint32_t id = find(atomic_load_explicit(&live, memory_order_acquire), hash, frames, nr, cut);
	if (likely(id != 0))
		return id;
	spin_lock(&lock);
	/* Again: somebody may have added it, or a reader may have looked at an outgrown table. */
	id = find(atomic_load_explicit(&live, memory_order_relaxed), hash, frames, nr, cut);
	if (id == 0)
		id = add_locked(hash, frames, nr, cut);
	spin_unlock(&lock);
	return id;
}

void depot_fork_child(void)
{
	spin_reset(&lock);
	python_fork_child();
	/* A thread that is gone may have added a stack and not entered it yet. */
	struct table *t = atomic_load_explicit(&live, memory_order_relaxed);
	uint32_t last = depot_count();
	const struct depot_stack *s = depot_get(last);
	if (t && s && find(t, s->hash, s->frame, s->nr, s->cut) == 0)
		enter(t, s->hash, last);
}
