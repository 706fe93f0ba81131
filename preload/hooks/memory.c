/*
 * memory.c - The malloc family: blocks that come and go.
 *
 * For locks: a new one at the same address is another lock. For races: giving a block back is a write to all of it, and a new
 * one starts clean; the block table (core/heap.h) says for the report what an address is. Seen as well are the C library's own
 * allocations (strdup, getline, fopen, opendir) and operator new, because both come here; not a program's own allocator that
 * is linked into it, nor brk.
 *
 * budget while races are off and no lock lies outside static storage: one load and one test, then a jump to the real function.
 * Everything else is in a twin entered by a jump, so that its own return address is the program's.
 */
#include "hooks/memory.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

/* Stacks walked in full for blocks from before the first thread; after so many the caller alone is kept, so that a program that
 * never makes one pays a few milliseconds at most. */
#define EARLY_WALKS 2048u

uint32_t memory_stack(struct thread *t, struct site site)
{
	static _Atomic uint32_t walks;
	uint32_t id = stack_capture(&t->stacks, site.pc, site.cfa);
	if (likely(id != 0))
		return id;
	if (!t->race && (walks >= EARLY_WALKS || walks++ >= EARLY_WALKS))
		return site_caller(site);
	return site_stack(t, site);
}

INTERPOSE_ROW(malloc_usable_size, malloc_usable_size, NULL)
INTERPOSE_ROW(free, free, NULL)

/* ---- a block comes ---------------------------------------------------------------------------------------------- */

/* No allocator gives two blocks parts of one multiple of 8: what is kept of memory goes by those. */
static size_t whole(size_t bytes) { return (bytes + 7) & ~(size_t)7; }

/* The slow halves are no cold ones while races are looked for; cold, to the compiler, means small. */
#define HALF __attribute__((noinline))

static HALF void *fresh(void *p, size_t bytes, struct site site)
{
	if (!p || !heap_on)
		return p;
	int saved = errno;
	struct thread *t = hook_thread();
	if (t) {
		if (t->race)
			mem_soon((uintptr_t)p);
		uint32_t stack = memory_stack(t, site);
		if (t->race) {
			gate_shut();
			if (heap_giver((uintptr_t)p) == t->id)
				mem_back(t, (uintptr_t)p, whole(bytes));
			else
				mem_fresh(t, (uintptr_t)p, whole(bytes), stack);
			gate_open();
		}
		heap_fresh((uintptr_t)p, bytes, stack, t->id);
	}
	errno = saved;
	return p;
}

/* ---- a block goes ----------------------------------------------------------------------------------------------- */

/* Before: afterwards another thread may own the memory. keep: bytes of it; what stays in its place has its locks registered anew.
 * Whoever wrote to all of it for the race detector, 0 nobody. */
static uint32_t leave(void *p, size_t keep, struct site site, const char *call)
{
	struct thread *t = hook_thread();
	if (!t)
		return 0;
	if (t->race)
		mem_soon((uintptr_t)p);
	if (object_any_dynamic) {
		size_t had = REAL(malloc_usable_size)(p);
		if (!keep)
			memory_gone(t, (uintptr_t)p, had, site, call);
		else if (keep > had)
			memory_gone(t, (uintptr_t)p, had, (struct site){ 0, 0 }, call);
		else
			memory_gone(t, (uintptr_t)p + keep, had - keep, site, call);
	}
	if (t->race) {
		size_t had = heap_bytes((uintptr_t)p);
		if (!had)
			had = REAL(malloc_usable_size)(p);
		uint32_t stack = memory_stack(t, site);
		gate_shut();
		mem_gone(t, (uintptr_t)p, whole(had), stack);
		gate_open();
		return t->id;
	}
	return 0;
}

/* The size of the block as its own allocator tells it; ours by dlsym, so that the program's malloc is asked, not libc's. What
 * lies beyond the size asked for is the program's from now on as well. */
EXPORT size_t malloc_usable_size(void *p)
{
	size_t bytes = REAL(malloc_usable_size)(p), known = p && unlikely(heap_on) ? heap_bytes((uintptr_t)p) : 0;
	struct heap_block b;
	if (!known || known >= bytes || !heap_find((uintptr_t)p, &b))
		return bytes;
	struct thread *t = hook_thread();
	if (t && t->race) {
		gate_shut();
		mem_fresh(t, (uintptr_t)p + known, bytes - known, b.stack);
		gate_open();
	}
	heap_fresh((uintptr_t)p, bytes, b.stack, b.thread);
	return bytes;
}

static HALF void free_slow(void *p)
{
	if (p) {
		int saved = errno;
		uint32_t giver = leave(p, 0, SITE(), "free");
		if (heap_on)
			heap_gone((uintptr_t)p, giver);
		errno = saved;
	}
	REAL(free)(p);
}

EXPORT void free(void *p)
{
	if (unlikely(heap_on | atomic_load_explicit(&object_any_dynamic, memory_order_relaxed)))
		free_slow(p);
	else
		REAL(free)(p);
}

INTERPOSE_ROW(realloc, realloc, NULL)
INTERPOSE_ROW(reallocarray, reallocarray, NULL)

/* It was not given back after all: nothing has been written, and what was known of it is lost. */
static COLD void stays(void *p, const struct heap_block *b)
{
	int saved = errno;
	struct thread *t = heap_on ? hook_thread() : NULL;
	if (t && t->race) {
		gate_shut();
		mem_fresh(t, (uintptr_t)p, whole(b ? b->bytes : REAL(malloc_usable_size)(p)), 0);
		gate_open();
	}
	if (b)
		heap_fresh(b->addr, b->bytes, b->stack, b->thread);
	errno = saved;
}

/* A write to all of the old block, then a new one, be it in the same place; undone when the call fails. realloc(p, 0) frees. */
static void *resize(void *p, size_t n, size_t bytes, bool array, struct site site, const char *call)
{
	size_t all;
	if (__builtin_mul_overflow(n, bytes, &all) || !p) /* refused, or a plain malloc */
		return fresh(array ? REAL(reallocarray)(p, n, bytes) : REAL(realloc)(p, bytes), n * bytes, site);
	int saved = errno;
	uint32_t giver = leave(p, all, site, call);
	struct heap_block b;
	bool known = heap_on && heap_find((uintptr_t)p, &b) && b.addr == (uintptr_t)p;
	if (known)
		heap_gone((uintptr_t)p, giver);
	errno = saved;
	void *to = array ? REAL(reallocarray)(p, n, bytes) : REAL(realloc)(p, bytes);
	if (to)
		return fresh(to, all, site);
	if (all)
		stays(p, known ? &b : NULL);
	return to;
}

static HALF void *realloc_slow(void *p, size_t bytes) { return resize(p, 1, bytes, false, SITE(), "realloc"); }
static HALF void *reallocarray_slow(void *p, size_t n, size_t bytes) { return resize(p, n, bytes, true, SITE(), "reallocarray"); }

EXPORT void *realloc(void *p, size_t bytes)
{
	if (unlikely(heap_on | atomic_load_explicit(&object_any_dynamic, memory_order_relaxed)))
		return realloc_slow(p, bytes);
	return REAL(realloc)(p, bytes);
}

EXPORT void *reallocarray(void *p, size_t n, size_t bytes)
{
	if (unlikely(heap_on | atomic_load_explicit(&object_any_dynamic, memory_order_relaxed)))
		return reallocarray_slow(p, n, bytes);
	return REAL(reallocarray)(p, n, bytes);
}

/* ---- the others ------------------------------------------------------------------------------------------------- */

#define ALLOCATOR(name, params, args, bytes)                                                                         \
	INTERPOSE_ROW(name, name, NULL)                                                                              \
	static HALF void *name##_slow params { return fresh(REAL(name) args, bytes, SITE()); }                       \
	EXPORT void *name params                                                                                     \
	{                                                                                                            \
		return unlikely(heap_on) ? name##_slow args : REAL(name) args;                                       \
	}

ALLOCATOR(malloc, (size_t bytes), (bytes), bytes)
ALLOCATOR(calloc, (size_t n, size_t bytes), (n, bytes), n *bytes)
ALLOCATOR(memalign, (size_t align, size_t bytes), (align, bytes), bytes)
ALLOCATOR(aligned_alloc, (size_t align, size_t bytes), (align, bytes), bytes)
ALLOCATOR(valloc, (size_t bytes), (bytes), bytes)
ALLOCATOR(pvalloc, (size_t bytes), (bytes), (bytes + 4095) & ~(size_t)4095)

INTERPOSE_ROW(posix_memalign, posix_memalign, NULL)
static COLD int posix_memalign_slow(void **p, size_t align, size_t bytes)
{
	int r = REAL(posix_memalign)(p, align, bytes);
	if (r == 0)
		fresh(*p, bytes, SITE());
	return r;
}

EXPORT int posix_memalign(void **p, size_t align, size_t bytes)
{
	return unlikely(heap_on) ? posix_memalign_slow(p, align, bytes) : REAL(posix_memalign)(p, align, bytes);
}
