/*
 * heap.h - Which block of the program's heap holds an address: how big it is, who allocated it and where.
 *
 * One word for each 16 bytes of address space, in the place of the block's first 16; what is not touched costs address space
 * only. Blocks that are long also leave their address at each 64 KiB and each 64 MiB that they cover, so that the search from
 * inside ends soon. Written by whoever owns the block at that moment (after the real malloc, before the real free), so there is
 * no lock and no atomic operation but plain loads and stores; a reader that loses a race with a writer finds nothing.
 *
 * Blocks given back unseen stay; a newer one that begins at the same place, or nearer, is found instead.
 */
#ifndef SNARL_CORE_HEAP_H
#define SNARL_CORE_HEAP_H

#include "base/compiler.h"

#include <stdatomic.h>

#define HEAP_REGION_BITS 26
#define HEAP_PAGE_BITS   16
#define HEAP_ADDR_BITS   47

/* size 63..44 | stack 43..18 | thread 17..0; size 0: no block begins here, thread is whose was the last that did. HEAP_LONG: the size stands in the next word, which looks empty. */
#define HEAP_SIZE_SHIFT   44
#define HEAP_STACK_SHIFT  18
#define HEAP_LONG         0xfffffu
#define HEAP_MAX_STACK    ((1u << 26) - 1)
#define HEAP_MAX_THREAD   ((1u << 18) - 1)

struct heap_region {
	_Atomic uint64_t word[1ul << (HEAP_REGION_BITS - 4)];
	/* The block that covers the first byte of this stretch from further down; not taken back when it goes. */
	_Atomic uint64_t page[1ul << (HEAP_REGION_BITS - HEAP_PAGE_BITS)];
};

struct heap_dir {
	struct heap_region *_Atomic region[1ul << (HEAP_ADDR_BITS - HEAP_REGION_BITS)];
	_Atomic uint64_t covered[1ul << (HEAP_ADDR_BITS - HEAP_REGION_BITS)]; /* as heap_region.page */
};

/* Blocks are being noted. Set once, before there is a second thread. */
extern bool heap_on;
extern struct heap_dir *heap_dir;

/* False: out of memory, heap_on stays false. */
bool heap_start(void);

HOT struct heap_region *heap_region(uintptr_t addr)
{
	return addr >> HEAP_ADDR_BITS ? NULL : atomic_load_explicit(&heap_dir->region[addr >> HEAP_REGION_BITS], memory_order_acquire);
}

HOT size_t heap_word(uintptr_t addr) { return (addr & ((1ul << HEAP_REGION_BITS) - 1)) >> 4; }

COLD void heap_fresh_slow(uintptr_t addr, size_t bytes, uint32_t stack, uint32_t thread);

/* A block is the program's from now on. stack: depot id, 0 unknown; thread: id. Ids too big to be kept become 0.
 * cost: 3 ns when the block lies in one stretch of 64 KiB. */
HOT void heap_fresh(uintptr_t addr, size_t bytes, uint32_t stack, uint32_t thread)
{
	struct heap_region *r = heap_region(addr);
	if (unlikely(!r || bytes >= HEAP_LONG || stack > HEAP_MAX_STACK || thread > HEAP_MAX_THREAD ||
		     (addr ^ (addr + bytes)) >> HEAP_PAGE_BITS)) {
		heap_fresh_slow(addr, bytes, stack, thread);
		return;
	}
	uint64_t w = (uint64_t)bytes << HEAP_SIZE_SHIFT | (uint64_t)stack << HEAP_STACK_SHIFT | thread;
	atomic_store_explicit(&r->word[heap_word(addr)], w, memory_order_relaxed);
}

/* The bytes asked for, if a block begins here; 0 not known. */
HOT size_t heap_bytes(uintptr_t addr)
{
	struct heap_region *r = heap_region(addr);
	uint64_t w = r ? atomic_load_explicit(&r->word[heap_word(addr)], memory_order_relaxed) : 0;
	if (likely(w >> HEAP_SIZE_SHIFT != HEAP_LONG))
		return w >> HEAP_SIZE_SHIFT;
	return atomic_load_explicit(&r->word[heap_word(addr) + 1], memory_order_relaxed);
}

/* It is about to be given back, by that thread. */
HOT void heap_gone(uintptr_t addr, uint32_t thread)
{
	struct heap_region *r = heap_region(addr);
	if (r)
		atomic_store_explicit(&r->word[heap_word(addr)], thread > HEAP_MAX_THREAD ? 0 : thread, memory_order_relaxed);
}

/* Who gave back the last block that began here, if none does now: thread id, 0 not known. */
HOT uint32_t heap_giver(uintptr_t addr)
{
	struct heap_region *r = heap_region(addr);
	uint64_t w = r ? atomic_load_explicit(&r->word[heap_word(addr)], memory_order_relaxed) : 0;
	return w <= HEAP_MAX_THREAD ? (uint32_t)w : 0;
}

struct heap_block {
	uintptr_t addr;
	size_t bytes;    /* as asked for */
	uint32_t stack;  /* of the allocation, 0 unknown */
	uint32_t thread; /* that made it, 0 unknown */
};

/* The block that holds this address. Lock-free. cost: up to a few microseconds. */
bool heap_find(uintptr_t addr, struct heap_block *block);

#endif
