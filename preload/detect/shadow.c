/*
 * shadow.c - Memory for the granules: a directory of 64 MiB regions, mapped when first needed, never given back.
 *
 * What is not touched costs address space only (MAP_NORESERVE). A forked child finds all of it empty (MADV_WIPEONFORK): there
 * the accesses of threads that it does not have mean nothing.
 */
#include "detect/race_inside.h"

#include "base/spin.h"
#include "base/sys.h"
#include "detect/hybrid.h"

#include <string.h>
#include <sys/mman.h>

#define REGION_BYTES ((size_t)1 << (REGION_BITS - 3) << 5)
#define PAGE         4096ul
#define DROP_FROM    (64 * PAGE) /* bytes of shadow from which on pages are given back instead of cleared */

char *_Atomic *shadow_dir;
static struct spin lock = SPIN_INIT(RANK_RACE);

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

bool shadow_start(void)
{
	if (!shadow_dir)
		shadow_dir = sys_map_sparse(REGION_DIR * sizeof *shadow_dir);
	return shadow_dir != NULL;
}

static char *region_add(uintptr_t addr)
{
	char *_Atomic *place = &shadow_dir[addr >> REGION_BITS];
	spin_lock(&lock);
	char *p = *place;
	if (!p && (p = sys_map_sparse(REGION_BYTES)) != NULL) {
		if (sys3(SYS_madvise, p, REGION_BYTES, MADV_WIPEONFORK) != 0) {
			sys_unmap(p, REGION_BYTES); /* Linux before 4.14 */
			p = NULL;
		}
		atomic_store_explicit(place, p, memory_order_release);
	}
	spin_unlock(&lock);
	return p;
}

struct granule *shadow_get(uintptr_t addr)
{
	struct granule *g = shadow_granule(addr);
	if (likely(g || addr >> 47))
		return g;
	if (!region_add(addr)) {
		race_stop("no memory for a record of accesses");
		return NULL;
	}
	return shadow_granule(addr);
}

static void wipe_within(uintptr_t addr, struct granule *from, struct granule *to)
{
	uintptr_t lo = ((uintptr_t)from + PAGE - 1) & ~(PAGE - 1), hi = (uintptr_t)to & ~(PAGE - 1);
	if (hi > lo && hi - lo >= DROP_FROM) {
		memset((void *)from, 0, lo - (uintptr_t)from);
		if (sys3(SYS_madvise, lo, hi - lo, MADV_DONTNEED) != 0)
			memset((void *)lo, 0, hi - lo);
		memset((void *)hi, 0, (uintptr_t)to - hi);
		return;
	}
	for (struct granule *g = from; g < to; g++, addr += 8) {
		if (!(g->record[0] | g->record[1] | g->record[2]))
			continue;
		for (unsigned i = 0; i < GRANULE_RECORDS; i++) {
			uint64_t r = atomic_load_explicit(&g->record[i], memory_order_relaxed);
			if (r && !(r & RECORD_SLOT)) /* what was released there goes with it */
				sync_drop(addr);
			atomic_store_explicit(&g->record[i], 0, memory_order_relaxed);
		}
	}
}

#define COVERED   (PAGE / sizeof(struct granule) * 8) /* bytes of the program that a page of shadow is for */
#define ASK_FROM  (16 * COVERED)
#define ASK_PAGES 256u

uintptr_t shadow_next(uintptr_t addr, uintptr_t end, uintptr_t *from)
{
	for (uintptr_t stop; addr < end; addr = stop) {
		struct granule *g = shadow_granule(addr);
		stop = shadow_region_end(addr) < end ? shadow_region_end(addr) : end;
		if (!g)
			continue;
		*from = addr;
		if (stop - addr < ASK_FROM)
			return stop;
		uintptr_t base = addr & ~(COVERED - 1);
		uint8_t there[ASK_PAGES];
		if (stop - base > ASK_PAGES * COVERED)
			stop = base + ASK_PAGES * COVERED;
		unsigned n = (unsigned)((stop - base + COVERED - 1) / COVERED), i = 0;
		if (sys3(SYS_mincore, (uintptr_t)g & ~(PAGE - 1), n * PAGE, there) != 0)
			return stop;
		while (i < n && !(there[i] & 1))
			i++;
		if (i == n)
			continue;
		uintptr_t first = base + i * COVERED;
		while (i < n && there[i] & 1)
			i++;
		*from = first > addr ? first : addr;
		return base + i * COVERED < stop ? base + i * COVERED : stop;
	}
	return *from = end;
}

/* Granules that are only partly inside lose what they knew of the bytes inside, no more. */
static void wipe_bytes(uintptr_t addr, uintptr_t end)
{
	struct granule *g = shadow_granule(addr);
	uint64_t mask = (uint64_t)(((1u << (end - addr)) - 1) << (addr & 7)) << RECORD_SHIFT;
	for (unsigned i = 0; g && i < GRANULE_RECORDS; i++) {
		uint64_t r = atomic_load_explicit(&g->record[i], memory_order_relaxed);
		if (r & mask)
			atomic_store_explicit(&g->record[i], r & RECORD_MASK & ~mask ? r & ~mask : 0, memory_order_relaxed);
	}
}

void shadow_wipe(uintptr_t addr, size_t bytes)
{
	uintptr_t end = addr + bytes;
	if (end < addr || end >> 47)
		return;
	if (unlikely(race_hybrid))
		hybrid_wipe(addr, bytes);
	if (addr & 7 && addr < end) {
		uintptr_t to = (addr | 7) + 1 < end ? (addr | 7) + 1 : end;
		wipe_bytes(addr, to);
		addr = to;
	}
	if (end & 7 && addr < end) {
		wipe_bytes(end & ~7ul, end);
		end &= ~7ul;
	}
	while (addr < end) {
		uintptr_t stop = shadow_region_end(addr) < end ? shadow_region_end(addr) : end;
		struct granule *g = shadow_granule(addr);
		if (g)
			wipe_within(addr, g, g + ((stop - addr) >> 3));
		addr = stop;
	}
}
