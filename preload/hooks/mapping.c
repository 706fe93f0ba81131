/*
 * mapping.c - Memory mapped, moved, put over other memory, dropped and unmapped.
 *
 * As with blocks: it goes before the real call, with a write to all of it, and comes clean after it. What the kernel refused
 * is forgotten all the same: that loses races, and invents none. brk is not seen.
 */
#include "hooks/memory.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/types.h>

#define PAGE 4096ul

void memory_leaves(struct thread *t, uintptr_t addr, size_t bytes, struct site site, const char *call)
{
	if (!t || addr & (PAGE - 1)) /* which the kernel refuses */
		return;
	bytes = (bytes + PAGE - 1) & ~(PAGE - 1);
	if (object_any_dynamic)
		memory_gone(t, addr, bytes, site, call);
	if (t->race) {
		uint32_t stack = site.pc ? memory_stack(t, site) : 0;
		gate_shut();
		mem_gone(t, addr, bytes, stack);
		gate_open();
	}
}

void memory_comes(struct thread *t, uintptr_t addr, size_t bytes, struct site site)
{
	if (!t || !t->race)
		return;
	uint32_t stack = memory_stack(t, site);
	gate_shut();
	mem_fresh(t, addr, (bytes + PAGE - 1) & ~(PAGE - 1), stack);
	gate_open();
}

HOT bool watched(void) { return heap_on | atomic_load_explicit(&object_any_dynamic, memory_order_relaxed); }

static void *mapped(void *p, size_t bytes, struct site site)
{
	if (p != MAP_FAILED && unlikely(heap_on)) {
		int saved = errno;
		memory_comes(hook_thread(), (uintptr_t)p, bytes, site);
		errno = saved;
	}
	return p;
}

/* Code that the program maps itself; the loader's calls do not come by here. */
static void *code(void *p, size_t bytes, int prot, int flags, off_t at)
{
	if (unlikely((prot & PROT_EXEC) && (prot & PROT_READ)) && !(flags & MAP_ANONYMOUS) && p != MAP_FAILED && heap_on) {
		int saved = errno;
		gate_shut();
		mem_code((uintptr_t)p, bytes, (uint64_t)at);
		gate_open();
		errno = saved;
	}
	return p;
}

static void covered(void *p, size_t bytes, int flags, struct site site, const char *call)
{
	if (unlikely(flags & MAP_FIXED && (flags & MAP_FIXED_NOREPLACE) != MAP_FIXED_NOREPLACE && watched())) {
		int saved = errno;
		memory_leaves(hook_thread(), (uintptr_t)p, bytes, site, call);
		errno = saved;
	}
}

INTERPOSE(void *, mmap, (void *p, size_t bytes, int prot, int flags, int fd, off_t at))
{
	covered(p, bytes, flags, SITE(), "mmap");
	return code(mapped(REAL(mmap)(p, bytes, prot, flags, fd, at), bytes, SITE()), bytes, prot, flags, at);
}

INTERPOSE(void *, mmap64, (void *p, size_t bytes, int prot, int flags, int fd, off64_t at))
{
	covered(p, bytes, flags, SITE(), "mmap64");
	return code(mapped(REAL(mmap64)(p, bytes, prot, flags, fd, at), bytes, SITE()), bytes, prot, flags, at);
}

INTERPOSE(void *, mremap, (void *p, size_t had, size_t bytes, int flags, ...))
{
	va_list ap;
	va_start(ap, flags);
	void *to = flags & MREMAP_FIXED ? va_arg(ap, void *) : NULL;
	va_end(ap);
	if (likely(!watched()))
		return REAL(mremap)(p, had, bytes, flags, to);
	struct site site = SITE();
	int saved = errno;
	struct thread *t = hook_thread();
	if (flags & MREMAP_FIXED)
		memory_leaves(t, (uintptr_t)to, bytes, site, "mremap");
	if (flags & MREMAP_MAYMOVE)
		memory_leaves(t, (uintptr_t)p, had, (struct site){ 0, 0 }, "mremap");
	else if (bytes < had)
		memory_leaves(t, (uintptr_t)p + bytes, had - bytes, site, "mremap");
	errno = saved;
	return mapped(REAL(mremap)(p, had, bytes, flags, to), bytes, site);
}

INTERPOSE(int, munmap, (void *p, size_t bytes))
{
	if (unlikely(watched())) {
		int saved = errno;
		memory_leaves(hook_thread(), (uintptr_t)p, bytes, SITE(), "munmap");
		errno = saved;
	}
	return REAL(munmap)(p, bytes);
}

/* Dropping pages is no write: on a mapped file it is but a hint. What was there is forgotten. */
INTERPOSE(int, madvise, (void *p, size_t bytes, int advice))
{
	int r = REAL(madvise)(p, bytes, advice);
	if (unlikely(heap_on && r == 0 && (advice == MADV_DONTNEED || advice == MADV_FREE || advice == MADV_REMOVE))) {
		int saved = errno;
		memory_comes(hook_thread(), (uintptr_t)p, bytes, SITE());
		errno = saved;
	}
	return r;
}
