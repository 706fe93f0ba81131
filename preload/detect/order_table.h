/*
 * order_table.h - Hash tables of ids that grow by one bucket at a time.
 *
 * Linear hashing over buckets of one cache line: seven slots of (hash, id). A lookup that fails costs one line and
 * looks at no object; growth splits one bucket per few additions, so it never stalls; nothing is ever moved to a new
 * table or unmapped, so readers need no lock: one that races with a split may miss an entry and then asks again locked,
 * but never sees anything that is not an id.
 * bytes: about 14 per entry. locks: the caller's, for everything but order_table_find.
 */
#ifndef SNARL_DETECT_ORDER_TABLE_H
#define SNARL_DETECT_ORDER_TABLE_H

#include "base/compiler.h"

#include <emmintrin.h>
#include <stdatomic.h>

enum { ORDER_BUCKET_SLOTS = 7, ORDER_FIRST_BITS = 6 };

struct order_bucket {
	uint32_t hash[ORDER_BUCKET_SLOTS];
	uint32_t id[ORDER_BUCKET_SLOTS]; /* 0 free */
	struct order_bucket *_Atomic more;
};
_Static_assert(sizeof(struct order_bucket) == 64, "a bucket is a cache line");

struct order_table {
	_Atomic uint32_t nr; /* buckets in use; 0: nothing was ever added */
	uint32_t entries, nr_spare;
	struct order_bucket
	    *_Atomic seg[32 - ORDER_FIRST_BITS]; /* seg[0]: the first 64; seg[i]: as many as all before */
	struct order_bucket *spare;              /* overflow buckets not in use */
};

HOT uint32_t order_hash(uint32_t a, uint32_t b, uint32_t c)
{
	uint64_t h = ((uint64_t)a << 32 | b) * 0x9e3779b97f4a7c15u;
	h = ((h ^ h >> 32) + c) * 0xbf58476d1ce4e5b9u;
	return (uint32_t)(h >> 32);
}

HOT struct order_bucket *order_bucket_at(const struct order_table *t, uint32_t b)
{
	uint32_t s = b >> ORDER_FIRST_BITS ? 32 - ORDER_FIRST_BITS - (uint32_t)__builtin_clz(b) : 0;
	uint32_t base = s ? (1u << ORDER_FIRST_BITS) << (s - 1) : 0;
	return atomic_load_explicit(&t->seg[s], memory_order_relaxed) + (b - base);
}

HOT struct order_bucket *order_bucket_of(const struct order_table *t, uint32_t nr, uint32_t hash)
{
	uint32_t full = 1u << (31 - __builtin_clz(nr)), b = hash & (full - 1);
	if (b < nr - full)
		b = hash & (2 * full - 1);
	return order_bucket_at(t, b);
}

#ifdef __SSE2__ /* not where a file must do with the general registers (Makefile): those do not look here themselves */
/* Which of seven numbers equal x, as bits; what stands behind them is loaded, too, and masked out. (Not atomic: a reader
 * without lock takes a match for a hint and looks at the object.) */
HOT unsigned order_match(const uint32_t *seven, uint32_t x)
{
	__m128i k = _mm_set1_epi32((int)x);
	__m128i lo = _mm_cmpeq_epi32(_mm_loadu_si128((const __m128i_u *)seven), k);
	__m128i hi = _mm_cmpeq_epi32(_mm_loadu_si128((const __m128i_u *)(seven + 4)), k);
	return (unsigned)_mm_movemask_epi8(_mm_packs_epi16(_mm_packs_epi32(lo, hi), _mm_setzero_si128())) & 0x7f;
}

/* The id with this hash for which eq is true, or 0. Callable without a lock when eq is: then 0 may be wrong. */
HOT uint32_t order_table_find(const struct order_table *t, uint32_t hash, bool (*eq)(uint32_t id, const void *key),
			      const void *key)
{
	uint32_t nr = atomic_load_explicit(&t->nr, memory_order_acquire);
	if (unlikely(!nr))
		return 0;
	const struct order_bucket *b = order_bucket_of(t, nr, hash);
	/* The bound: a reader without lock may be led round in circles by buckets that are recycled under its eyes. */
	for (unsigned hops = 0; b && hops < 1u << 16; hops++) {
		for (unsigned m = order_match(b->hash, hash); m; m &= m - 1) {
			uint32_t id = __atomic_load_n(&b->id[__builtin_ctz(m)], __ATOMIC_ACQUIRE);
			if (id && eq(id, key))
				return id;
		}
		b = atomic_load_explicit(&b->more, memory_order_acquire);
	}
	return 0;
}
#endif

/* False when out of memory: nothing was added. */
bool order_table_add(struct order_table *t, uint32_t hash, uint32_t id);
void order_table_remove(struct order_table *t, uint32_t hash, uint32_t id);

/* Zeroed memory for a few hundred objects, for good. In big programs it comes out of huge pages. */
void *order_chunk(size_t bytes);

/*
 * Objects of one size, numbered from 1, at addresses that never change.
 */
enum { ORDER_CHUNK_BITS = 8, ORDER_CHUNK = 1 << ORDER_CHUNK_BITS };

struct order_pool {
	void **chunk;
	uint32_t room; /* for chunks */
	uint32_t nr;   /* ids given out so far, 0 among them */
	uint32_t free; /* ids that came back: linked through their first word */
	uint32_t used;
	uint32_t bytes; /* of an object, a multiple of 4 */
};

#define ORDER_POOL_INIT(type)         \
	{                             \
		.bytes = sizeof(type) \
	}
/* Whoever holds no lock gets ids only from where they were stored with release. */
#define ORDER_POOL_AT(pool, type, id) \
	((type *)__atomic_load_n(&(pool)->chunk, __ATOMIC_ACQUIRE)[(id) >> ORDER_CHUNK_BITS] + ((id) & (ORDER_CHUNK - 1)))
/* A zeroed object, or 0 when out of memory. */
uint32_t order_pool_get(struct order_pool *p);
void order_pool_put(struct order_pool *p, uint32_t id);

/* A vector of numbers for scratch work: keeps its room. */
struct order_vec {
	uint32_t *v;
	uint32_t nr, room;
};

COLD bool order_vec_grow(struct order_vec *s);

HOT bool order_vec_push(struct order_vec *s, uint32_t x)
{
	if (unlikely(s->nr == s->room) && !order_vec_grow(s))
		return false;
	s->v[s->nr++] = x;
	return true;
}

#endif
