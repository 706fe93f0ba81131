/* arena.c - See arena.h. */
#include "base/arena.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "base/spin.h"
#include "base/sys.h"

#define PAGE        ((size_t)4096)
#define HUGE        ((size_t)2 << 20)
#define CHUNK       ((size_t)1 << 20)
#define OWN_MAP     (CHUNK / 4) /* from here on a request gets pages of its own, so that no chunk's rest is wasted */
#define MAX_REQUEST (SIZE_MAX / 4)

static struct spin chunk_lock = SPIN_INIT(RANK_ARENA);

static _Atomic size_t taken, limit;
static _Atomic uint64_t refused;

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) & ~(to - 1);
}

void arena_limit(size_t bytes)
{
	atomic_store_explicit(&limit, bytes, memory_order_relaxed);
}
bool arena_limited(void)
{
	return atomic_load_explicit(&limit, memory_order_relaxed) != 0;
}
size_t arena_bytes(void)
{
	return atomic_load_explicit(&taken, memory_order_relaxed);
}
uint64_t arena_refused(void)
{
	return atomic_load_explicit(&refused, memory_order_relaxed);
}

static COLD void *refuse(void)
{
	atomic_fetch_add_explicit(&refused, 1, memory_order_relaxed);
	return NULL;
}

bool arena_count(size_t bytes)
{
	size_t max = atomic_load_explicit(&limit, memory_order_relaxed);
	size_t before = atomic_fetch_add_explicit(&taken, bytes, memory_order_relaxed);
	if (max == 0 || (before <= max && bytes <= max - before))
		return true;
	atomic_fetch_sub_explicit(&taken, bytes, memory_order_relaxed);
	return false;
}

void arena_uncount(size_t bytes)
{
	atomic_fetch_sub_explicit(&taken, bytes, memory_order_relaxed);
}

/* Aligned to 2 MiB: older kernels make huge pages of aligned stretches only, and do not align by themselves. */
static char *map_huge(size_t bytes)
{
	char *p = sys_map(bytes + HUGE);
	if (!p)
		return sys_map(bytes);
	char *start = (char *)round_up((size_t)p, HUGE), *end = p + bytes + HUGE;
	if (start > p)
		sys_unmap(p, (size_t)(start - p));
	if (end > start + bytes)
		sys_unmap(start + bytes, (size_t)(end - start - bytes));
	sys3(SYS_madvise, start, bytes, MADV_HUGEPAGE);
	return start;
}

/* Whole pages, or NULL without counting: the caller may have something smaller to ask. */
static void *map_pages(size_t bytes)
{
	if (!arena_count(bytes))
		return NULL;
	void *p = bytes >= HUGE ? map_huge(bytes) : sys_map(bytes);
	if (!p) {
		atomic_fetch_sub_explicit(&taken, bytes, memory_order_relaxed);
		return NULL;
	}
	/* The program's core dump is the program's; our shadow tables would only make it huge. */
	sys3(SYS_madvise, p, bytes, MADV_DONTDUMP);
	return p;
}

void *arena_map(size_t bytes)
{
	if (bytes == 0 || bytes > MAX_REQUEST)
		return refuse();
	void *p = map_pages(round_up(bytes, PAGE));
	return p ? p : refuse();
}

void arena_unmap(void *p, size_t bytes)
{
	if (!p)
		return;
	bytes = round_up(bytes, PAGE);
	sys_unmap(p, bytes);
	atomic_fetch_sub_explicit(&taken, bytes, memory_order_relaxed);
}

/* In front of each chunk. `used` may run past `size` when several threads find it full at once. */
struct chunk {
	size_t size;
	_Atomic size_t used;
};

static struct chunk *_Atomic current;

static void *chunk_take(struct chunk *c, size_t bytes)
{
	/* A chunk made near the limit may be smaller than the request. */
	if (!c || c->size < bytes || atomic_load_explicit(&c->used, memory_order_relaxed) > c->size - bytes)
		return NULL;
	size_t at = atomic_fetch_add_explicit(&c->used, bytes, memory_order_relaxed);
	return at <= c->size - bytes ? (char *)c + at : NULL;
}

static COLD void *arena_alloc_slow(size_t bytes)
{
	spin_lock(&chunk_lock);
	void *p = chunk_take(atomic_load_explicit(&current, memory_order_relaxed), bytes);
	if (!p) {
		size_t size = CHUNK;
		struct chunk *c = map_pages(size);
		if (!c) {
			/* Near the limit: just what is asked for. */
			size = round_up(bytes + sizeof *c, PAGE);
			c = map_pages(size);
		}
		if (c) {
			c->size = size;
			p = (char *)c + sizeof *c;
			atomic_store_explicit(&c->used, sizeof *c + bytes, memory_order_relaxed);
			atomic_store_explicit(&current, c, memory_order_release);
		}
	}
	spin_unlock(&chunk_lock);
	return p ? p : refuse();
}

void *arena_alloc(size_t bytes)
{
	if (bytes >= OWN_MAP)
		return arena_map(bytes);
	bytes = bytes ? round_up(bytes, 16) : 16;
	void *p = chunk_take(atomic_load_explicit(&current, memory_order_acquire), bytes);
	return likely(p != NULL) ? p : arena_alloc_slow(bytes);
}

/* ---- malloc, calloc, realloc, free ------------------------------------------------------------------------------ */

#define MIN_SHIFT  5  /* 32 bytes, 16 of them the header */
#define MAX_SHIFT  16 /* beyond 64 KiB: pages of its own */
#define MAGIC      0x736e61726c6d656dull
#define MAGIC_FREE 0x736e61726c667265ull

struct block {
	size_t size; /* with this header */
	uint64_t magic;
	struct block *next; /* while free */
};
#define HEADER offsetof(struct block, next)

static struct spin heap_lock = SPIN_INIT(RANK_HEAP);
static struct block *_Atomic free_list[MAX_SHIFT + 1];

static unsigned shift_of(size_t total)
{
	return total <= (1u << MIN_SHIFT) ? MIN_SHIFT : 64 - (unsigned)__builtin_clzll(total - 1);
}

static struct block *block_pop(unsigned shift)
{
	spin_lock(&heap_lock);
	struct block *b = atomic_load_explicit(&free_list[shift], memory_order_relaxed);
	if (b)
		atomic_store_explicit(&free_list[shift], b->next, memory_order_relaxed);
	spin_unlock(&heap_lock);
	return b;
}

void *arena_malloc(size_t bytes)
{
	if (bytes > MAX_REQUEST)
		return refuse();
	size_t total = bytes + HEADER;
	unsigned shift = shift_of(total);
	struct block *b;
	if (shift > MAX_SHIFT) {
		total = round_up(total, PAGE);
		b = arena_map(total);
	} else {
		total = (size_t)1 << shift;
		b = block_pop(shift);
		if (!b)
			b = arena_alloc(total);
	}
	if (!b)
		return NULL;
	b->size = total;
	b->magic = MAGIC;
	return (char *)b + HEADER;
}

void *arena_calloc(size_t n, size_t bytes)
{
	size_t total;
	if (__builtin_mul_overflow(n, bytes, &total))
		return refuse();
	void *p = arena_malloc(total);
	if (p)
		memset(p, 0, total);
	return p;
}

static struct block *block_of(void *p)
{
	struct block *b = (struct block *)((char *)p - HEADER);
	CHECK(b->magic == MAGIC);
	return b;
}

void arena_free(void *p)
{
	if (!p)
		return;
	struct block *b = block_of(p);
	size_t size = b->size;
	b->magic = MAGIC_FREE;
	if (size > (size_t)1 << MAX_SHIFT) {
		arena_unmap(b, size);
		return;
	}
	unsigned shift = shift_of(size);
	spin_lock(&heap_lock);
	b->next = atomic_load_explicit(&free_list[shift], memory_order_relaxed);
	/* release: a fork between the two stores must not leave a list that leads nowhere. */
	atomic_store_explicit(&free_list[shift], b, memory_order_release);
	spin_unlock(&heap_lock);
}

void *arena_realloc(void *p, size_t bytes)
{
	if (!p)
		return arena_malloc(bytes);
	size_t room = block_of(p)->size - HEADER;
	if (bytes <= room)
		return p;
	void *q = arena_malloc(bytes);
	if (q) {
		memcpy(q, p, room);
		arena_free(p);
	}
	return q;
}

void arena_fork_child(void)
{
	spin_reset(&heap_lock);
	spin_reset(&chunk_lock);
}
