/* order_table.c - The growing halves of order_table.h. */
#include "detect/order_table.h"

#include "base/arena.h"

#include <string.h>

enum { LOAD = 5 }; /* entries per bucket before the next one is split: one in eight overflows */

static bool spare_fill(struct order_table *t)
{
	enum { BLOCK = 64 };
	struct order_bucket *b = arena_map(BLOCK * sizeof *b);
	if (!b)
		return false;
	for (unsigned i = 0; i < BLOCK; i++)
		atomic_store_explicit(&b[i].more, i + 1 < BLOCK ? &b[i + 1] : t->spare, memory_order_relaxed);
	t->spare = b;
	t->nr_spare += BLOCK;
	return true;
}

static struct order_bucket *spare_get(struct order_table *t)
{
	if (!t->spare && !spare_fill(t))
		return NULL;
	struct order_bucket *b = t->spare;
	t->spare = atomic_load_explicit(&b->more, memory_order_relaxed);
	t->nr_spare--;
	atomic_store_explicit(&b->more, NULL, memory_order_relaxed);
	return b;
}

static void spare_put(struct order_table *t, struct order_bucket *b)
{
	atomic_store_explicit(&b->more, t->spare, memory_order_relaxed);
	t->spare = b;
	t->nr_spare++;
}

/* The id last: with it the entry is there for readers that hold no lock. */
static void slot_set(struct order_bucket *b, unsigned i, uint32_t hash, uint32_t id)
{
	__atomic_store_n(&b->hash[i], hash, __ATOMIC_RELAXED);
	__atomic_store_n(&b->id[i], id, __ATOMIC_RELEASE);
}

static bool bucket_put(struct order_table *t, struct order_bucket *b, uint32_t hash, uint32_t id)
{
	for (;;) {
		unsigned free = order_match(b->id, 0);
		if (likely(free)) {
			slot_set(b, (unsigned)__builtin_ctz(free), hash, id);
			return true;
		}
		struct order_bucket *more = atomic_load_explicit(&b->more, memory_order_relaxed);
		if (!more) {
			if (!(more = spare_get(t)))
				return false;
			slot_set(more, 0, hash, id);
			atomic_store_explicit(&b->more, more, memory_order_release);
			return true;
		}
		b = more;
	}
}

/* One bucket more: takes from the bucket whose turn it is what the next bit of the hash says. */
static void split(struct order_table *t)
{
	uint32_t nr = atomic_load_explicit(&t->nr, memory_order_relaxed);
	uint32_t full = 1u << (31 - __builtin_clz(nr)), s = 32 - ORDER_FIRST_BITS - (uint32_t)__builtin_clz(nr);
	if (s >= ARRAY_SIZE(t->seg))
		return;
	if (nr == full && !atomic_load_explicit(&t->seg[s], memory_order_relaxed)) {
		struct order_bucket *m = arena_map((size_t)full * sizeof *m);
		if (!m)
			return;
		atomic_store_explicit(&t->seg[s], m, memory_order_relaxed);
	}
	struct order_bucket *from = order_bucket_at(t, nr - full), *to = order_bucket_at(t, nr);
	/* Half-way is no place to run out of memory: have the overflow buckets at hand first. */
	uint32_t need = 0;
	for (struct order_bucket *b = atomic_load_explicit(&from->more, memory_order_relaxed); b; b = b->more)
		need++;
	while (t->nr_spare < need)
		if (!spare_fill(t))
			return;
	struct order_bucket *w = from;
	unsigned wi = 0;
	for (struct order_bucket *r = from; r; r = atomic_load_explicit(&r->more, memory_order_relaxed))
		for (unsigned i = 0; i < ORDER_BUCKET_SLOTS; i++) {
			uint32_t id = r->id[i], hash = r->hash[i];
			if (!id)
				continue;
			slot_set(r, i, 0, 0);
			if (hash & full) {
				bucket_put(t, to, hash, id);
				continue;
			}
			if (wi == ORDER_BUCKET_SLOTS) {
				w = atomic_load_explicit(&w->more, memory_order_relaxed);
				wi = 0;
			}
			slot_set(w, wi++, hash, id);
		}
	struct order_bucket *rest = atomic_load_explicit(&w->more, memory_order_relaxed);
	atomic_store_explicit(&w->more, NULL, memory_order_relaxed);
	while (rest) {
		struct order_bucket *next = atomic_load_explicit(&rest->more, memory_order_relaxed);
		spare_put(t, rest);
		rest = next;
	}
	atomic_store_explicit(&t->nr, nr + 1, memory_order_release);
}

bool order_table_add(struct order_table *t, uint32_t hash, uint32_t id)
{
	uint32_t nr = atomic_load_explicit(&t->nr, memory_order_relaxed);
	if (!nr) {
		struct order_bucket *m = arena_map(sizeof *m << ORDER_FIRST_BITS);
		if (!m)
			return false;
		atomic_store_explicit(&t->seg[0], m, memory_order_relaxed);
		nr = 1u << ORDER_FIRST_BITS;
		atomic_store_explicit(&t->nr, nr, memory_order_release);
	}
	if (!bucket_put(t, order_bucket_of(t, nr, hash), hash, id))
		return false;
	if (++t->entries > (uint64_t)nr * LOAD)
		split(t);
	return true;
}

void order_table_remove(struct order_table *t, uint32_t hash, uint32_t id)
{
	uint32_t nr = atomic_load_explicit(&t->nr, memory_order_relaxed);
	if (!nr)
		return;
	for (struct order_bucket *b = order_bucket_of(t, nr, hash); b;
	     b = atomic_load_explicit(&b->more, memory_order_relaxed))
		for (unsigned m = order_match(b->hash, hash); m; m &= m - 1) {
			unsigned i = (unsigned)__builtin_ctz(m);
			if (b->id[i] != id)
				continue;
			slot_set(b, i, 0, 0);
			t->entries--;
			return;
		}
}

void *order_chunk(size_t bytes)
{
	static char *slab;
	static size_t left, next = 1 << 17;
	bytes = (bytes + 63) & ~(size_t)63;
	if (bytes > left) {
		char *more = arena_map(next);
		if (!more)
			return arena_alloc(bytes);
		slab = more;
		left = next;
		if (next < 2 << 20)
			next *= 4;
	}
	left -= bytes;
	return slab + left;
}

uint32_t order_pool_get(struct order_pool *p)
{
	uint32_t id = p->free;
	if (id) {
		uint32_t *o = (uint32_t *)((char *)p->chunk[id >> ORDER_CHUNK_BITS] +
					   (size_t)(id & (ORDER_CHUNK - 1)) * p->bytes);
		p->free = *o;
		memset(o, 0, p->bytes);
		p->used++;
		return id;
	}
	if (!p->nr)
		p->nr = 1;
	id = p->nr;
	uint32_t c = id >> ORDER_CHUNK_BITS;
	if (c >= p->room) {
		uint32_t more = p->room ? 2 * p->room : 64;
		void **dir = arena_calloc(more, sizeof *dir);
		if (!dir)
			return 0;
		if (p->room)
			memcpy(dir, p->chunk, p->room * sizeof *dir);
		/* The old one stays: somebody may be looking things up in it without a lock. */
		__atomic_store_n(&p->chunk, dir, __ATOMIC_RELEASE);
		p->room = more;
	}
	if (!p->chunk[c] && !(p->chunk[c] = order_chunk((size_t)ORDER_CHUNK * p->bytes)))
		return 0;
	if (id == UINT32_MAX)
		return 0;
	p->nr++;
	p->used++;
	return id;
}

void order_pool_put(struct order_pool *p, uint32_t id)
{
	uint32_t *o =
	    (uint32_t *)((char *)p->chunk[id >> ORDER_CHUNK_BITS] + (size_t)(id & (ORDER_CHUNK - 1)) * p->bytes);
	*o = p->free;
	p->free = id;
	p->used--;
}

bool order_vec_grow(struct order_vec *s)
{
	uint32_t more = s->room ? 2 * s->room : 256;
	uint32_t *v = arena_realloc(s->v, (size_t)more * sizeof *v);
	if (!v)
		return false;
	s->v = v;
	s->room = more;
	return true;
}
