/*
 * memory.c - Memory that goes away takes its locks along: a new lock at the same address is another lock.
 *
 * malloc is not hooked; free only asks whether a lock may lie in the block. budget while no lock lies outside static storage:
 * one load more than the gate; else a size lookup and one bit test.
 */
#include "hooks/interpose.h"

#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>

/* The size of the block as its own allocator tells it; ours by dlsym, so that the program's malloc is asked, not libc's. */
INTERPOSE(size_t, malloc_usable_size, (void *p)) { return REAL(malloc_usable_size)(p); }

static COLD void free_slow(struct thread *t, void *p, struct site site, const char *call)
{
	size_t bytes = REAL(malloc_usable_size)(p);
	if (object_maybe_in((uintptr_t)p, bytes))
		memory_gone(t, (uintptr_t)p, bytes, site, call);
}

INTERPOSE(void, free, (void *p))
{
	struct thread *t = hook_thread();
	if (unlikely(t && p && atomic_load_explicit(&object_any_dynamic, memory_order_relaxed)))
		free_slow(t, p, SITE(), "free");
	REAL(free)(p);
}

/* Before: afterwards another thread may own the memory. A block that stays where it is has its locks registered anew. */
static void resized(struct thread *t, void *p, size_t bytes, struct site site, const char *call)
{
	size_t had = REAL(malloc_usable_size)(p);
	if (bytes > had)
		memory_gone(t, (uintptr_t)p, had, (struct site){ 0, 0 }, call);
	else
		memory_gone(t, (uintptr_t)p + bytes, had - bytes, site, call);
}

INTERPOSE(void *, realloc, (void *p, size_t bytes))
{
	struct thread *t = hook_thread();
	if (unlikely(t && p && atomic_load_explicit(&object_any_dynamic, memory_order_relaxed)))
		resized(t, p, bytes, SITE(), "realloc");
	return REAL(realloc)(p, bytes);
}

INTERPOSE(void *, reallocarray, (void *p, size_t n, size_t bytes))
{
	struct thread *t = hook_thread();
	size_t all;
	if (unlikely(t && p && atomic_load_explicit(&object_any_dynamic, memory_order_relaxed)) && !__builtin_mul_overflow(n, bytes, &all))
		resized(t, p, all, SITE(), "reallocarray");
	return REAL(reallocarray)(p, n, bytes);
}

/* A mapping put over another one, or moved away. */
static void covered(void *p, size_t bytes, struct site site, const char *call)
{
	struct thread *t = hook_thread();
	if (t && atomic_load_explicit(&object_any_dynamic, memory_order_relaxed))
		memory_gone(t, (uintptr_t)p, bytes, site, call);
}

INTERPOSE(void *, mmap, (void *p, size_t bytes, int prot, int flags, int fd, off_t at))
{
	if (unlikely(flags & MAP_FIXED))
		covered(p, bytes, SITE(), "mmap");
	return REAL(mmap)(p, bytes, prot, flags, fd, at);
}

INTERPOSE(void *, mmap64, (void *p, size_t bytes, int prot, int flags, int fd, off64_t at))
{
	if (unlikely(flags & MAP_FIXED))
		covered(p, bytes, SITE(), "mmap64");
	return REAL(mmap64)(p, bytes, prot, flags, fd, at);
}

INTERPOSE(void *, mremap, (void *p, size_t had, size_t bytes, int flags, ...))
{
	va_list ap;
	va_start(ap, flags);
	void *to = flags & MREMAP_FIXED ? va_arg(ap, void *) : NULL;
	va_end(ap);
	if (flags & MREMAP_FIXED)
		covered(to, bytes, SITE(), "mremap");
	if (flags & MREMAP_MAYMOVE)
		covered(p, had, (struct site){ 0, 0 }, "mremap");
	return REAL(mremap)(p, had, bytes, flags, to);
}

INTERPOSE(int, munmap, (void *p, size_t bytes))
{
	struct thread *t = hook_thread();
	if (t && atomic_load_explicit(&object_any_dynamic, memory_order_relaxed))
		memory_gone(t, (uintptr_t)p, bytes, SITE(), "munmap");
	return REAL(munmap)(p, bytes);
}
