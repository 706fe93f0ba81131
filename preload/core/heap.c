/* heap.c - See heap.h. */
#include "core/heap.h"

#include "base/sys.h"

#include <sys/mman.h>

bool heap_on;
struct heap_dir *heap_dir;

#define PAGE_BYTES   (1ul << HEAP_PAGE_BITS)
#define REGION_BYTES (1ul << HEAP_REGION_BITS)

bool heap_start(void)
{
	if (!heap_dir)
		heap_dir = sys_map_sparse(sizeof *heap_dir);
	return heap_on = heap_dir != NULL;
}

/* Two threads may come at once; the loser gives its own back. */
static struct heap_region *region_get(uintptr_t addr)
{
	struct heap_region *r = heap_region(addr);
	if (r || addr >> HEAP_ADDR_BITS)
		return r;
	struct heap_region *mine = sys_map_sparse(sizeof *mine);
	if (mine && !atomic_compare_exchange_strong(&heap_dir->region[addr >> HEAP_REGION_BITS], &r, mine)) {
		sys2(SYS_munmap, mine, sizeof *mine);
		return r;
	}
	return mine;
}

void heap_fresh_slow(uintptr_t addr, size_t bytes, uint32_t stack, uint32_t thread)
{
	struct heap_region *r = region_get(addr);
	uintptr_t end = addr + bytes;
	if (!r || !bytes || end < addr || end >> HEAP_ADDR_BITS)
		return;
	stack = stack > HEAP_MAX_STACK ? 0 : stack;
	thread = thread > HEAP_MAX_THREAD ? 0 : thread;
	size_t at = heap_word(addr);
	uint64_t w = (uint64_t)stack << HEAP_STACK_SHIFT | thread;
	if (bytes < HEAP_LONG) {
		w |= (uint64_t)bytes << HEAP_SIZE_SHIFT;
	} else if (at + 1 < ARRAY_SIZE(r->word)) {
		w |= (uint64_t)HEAP_LONG << HEAP_SIZE_SHIFT;
		atomic_store_explicit(&r->word[at + 1], bytes, memory_order_relaxed);
	} else {
		return; /* a long block in the last 16 bytes of a region: no allocator does that */
	}
	atomic_store_explicit(&r->word[at], w, memory_order_release);
	for (uintptr_t p = (addr | (PAGE_BYTES - 1)) + 1; p < end; p += PAGE_BYTES) {
		if (!(p & (REGION_BYTES - 1))) {
			atomic_store_explicit(&heap_dir->covered[p >> HEAP_REGION_BITS], addr, memory_order_relaxed);
			if (end - p >= REGION_BYTES) { /* all of it */
				p += REGION_BYTES - PAGE_BYTES;
				continue;
			}
		}
		r = region_get(p);
		if (!r)
			return;
		atomic_store_explicit(&r->page[(p & (REGION_BYTES - 1)) >> HEAP_PAGE_BITS], addr, memory_order_relaxed);
	}
}

/* Does a block begin at this multiple of 16 that holds addr? */
static bool holds(uintptr_t start, uintptr_t addr, struct heap_block *b)
{
	struct heap_region *r = heap_region(start);
	uint64_t w = r ? atomic_load_explicit(&r->word[heap_word(start)], memory_order_acquire) : 0;
	size_t bytes = w ? heap_bytes(start) : 0;
	if (addr - start >= bytes)
		return false;
	*b = (struct heap_block){ start, bytes, (uint32_t)(w >> HEAP_STACK_SHIFT) & HEAP_MAX_STACK, (uint32_t)w & HEAP_MAX_THREAD };
	return true;
}

bool heap_find(uintptr_t addr, struct heap_block *b)
{
	if (!heap_on || addr >> HEAP_ADDR_BITS)
		return false;
	uintptr_t page = addr & ~(PAGE_BYTES - 1);
	struct heap_region *r = heap_region(addr);
	if (r) {
		for (uintptr_t at = addr & ~15ul;; at -= 16) {
			if (holds(at, addr, b))
				return true;
			if (at == page)
				break;
		}
		uintptr_t from = atomic_load_explicit(&r->page[(addr & (REGION_BYTES - 1)) >> HEAP_PAGE_BITS], memory_order_relaxed);
		if (from && holds(from, addr, b))
			return true;
	}
	uintptr_t from = atomic_load_explicit(&heap_dir->covered[addr >> HEAP_REGION_BITS], memory_order_relaxed);
	return from && holds(from, addr, b);
}
