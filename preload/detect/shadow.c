/*
 * shadow.c - Memory for the granules: a directory of 64 MiB regions, mapped when first needed, never given back.
 *
 * What is not touched costs address space only (MAP_NORESERVE). A forked child finds all of it empty (MADV_WIPEONFORK): there
 * the accesses of threads that it does not have mean nothing.
 */
#include "detect/race_inside.h"

#include "base/arena.h"
#include "base/spin.h"
#include "base/sys.h"
#include "detect/hybrid.h"

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE      4096ul
#define DROP_FROM (64 * PAGE) /* bytes of shadow from which on pages are given back instead of cleared */
#define LINES     (1ul << REGION_BITS >> 6)

/* What stands for a line that was given back. */
struct gone {
	_Atomic uint64_t record;
	_Atomic uint32_t context;
};

struct region {
	struct granule granule[1ul << (REGION_BITS - 3)];
	_Atomic uint8_t line[LINES];
	struct gone gone[LINES];
	_Atomic uint8_t counted[SHADOW_BYTES / PAGE]; /* pages of granules that memory_limit knows of */
};
_Static_assert(offsetof(struct region, line) == SHADOW_BYTES, "line_of finds it there");

/* Of a counted page's cost the part that is not granules: lines, and the plane of one thread. */
#define BESIDE 1088u

char *_Atomic *shadow_dir;
bool shadow_counted;
static struct spin lock = SPIN_INIT(RANK_RACE);
static _Atomic size_t nr_counted; /* pages */

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

bool shadow_start(void)
{
	if (!shadow_dir)
		shadow_dir = sys_map_sparse(REGION_DIR * sizeof *shadow_dir);
	shadow_counted = arena_limited();
	return shadow_dir != NULL;
}

static char *map_aligned(void)
{
	char *p = sys_map_sparse(sizeof(struct region) + SHADOW_BYTES);
	if (!p)
		return NULL;
	char *r = (char *)(((uintptr_t)p + SHADOW_BYTES - 1) & ~(SHADOW_BYTES - 1)), *end = p + sizeof(struct region) + SHADOW_BYTES;
	if (r > p)
		sys_unmap(p, (size_t)(r - p));
	if (end > r + sizeof(struct region))
		sys_unmap(r + sizeof(struct region), (size_t)(end - r) - sizeof(struct region));
	return r;
}

static char *region_add(uintptr_t addr)
{
	char *_Atomic *place = &shadow_dir[addr >> REGION_BITS];
	spin_lock(&lock);
	char *p = *place;
	if (!p && (p = map_aligned()) != NULL) {
		if (sys3(SYS_madvise, p, sizeof(struct region), MADV_WIPEONFORK) != 0) {
			sys_unmap(p, sizeof(struct region)); /* Linux before 4.14 */
			p = NULL;
		}
		atomic_store_explicit(place, p, memory_order_release);
	}
	spin_unlock(&lock);
	return p;
}

static struct region *region_of(const struct granule *g) { return (struct region *)((uintptr_t)g & ~(SHADOW_BYTES - 1)); }

/* False: memory_limit does not allow its page. */
static bool count_page(struct region *r, const struct granule *g)
{
	_Atomic uint8_t *counted = &r->counted[(g - r->granule) / (PAGE / sizeof *g)];
	if (atomic_load_explicit(counted, memory_order_relaxed))
		return true;
	if (!arena_count(PAGE + BESIDE))
		return false;
	if (atomic_exchange(counted, 1)) /* another thread was faster */
		arena_uncount(PAGE + BESIDE);
	else
		atomic_fetch_add_explicit(&nr_counted, 1, memory_order_relaxed);
	return true;
}

static void unfold(struct region *r, size_t line)
{
	uint64_t record = atomic_load_explicit(&r->gone[line].record, memory_order_relaxed) | RECORD_MASK;
	uint32_t context = atomic_load_explicit(&r->gone[line].context, memory_order_relaxed);
	for (struct granule *g = &r->granule[8 * line]; g < &r->granule[8 * line + 8]; g++)
		if (!granule_any(g))
			granule_put(g, 0, record, context);
	atomic_store_explicit(&r->line[line], LINE_USED, memory_order_release);
}

struct granule *shadow_get(uintptr_t addr)
{
	struct granule *g = shadow_granule(addr);
	if (unlikely(!g)) {
		if (addr >> 47)
			return NULL;
		if (!region_add(addr)) {
			race_stop("no memory for a record of accesses");
			return NULL;
		}
		g = shadow_granule(addr);
	}
	_Atomic uint8_t *line = line_of(g);
	uint8_t is = atomic_load_explicit(line, memory_order_relaxed);
	if (likely(is == LINE_USED))
		return g;
	struct region *r = region_of(g);
	if (shadow_counted && !count_page(r, g)) {
		race_stop("memory_limit leaves no room for a record of accesses");
		return NULL;
	}
	if (is == LINE_GONE)
		unfold(r, (size_t)(line - r->line));
	else
		atomic_store_explicit(line, LINE_USED, memory_order_relaxed);
	return g;
}

/* ---- forgetting ------------------------------------------------------------------------------------------------------- */

HOT void wipe_granule(struct granule *g, uintptr_t addr)
{
	if (!granule_any(g))
		return;
	for (unsigned i = 0; i < GRANULE_RECORDS; i++) {
		uint64_t r = atomic_load_explicit(&g->record[i], memory_order_relaxed);
		if (!r)
			continue;
		if (is_sync(r)) /* what was released there goes with it */
			sync_drop(addr & ~7ul);
		atomic_store_explicit(&g->record[i], 0, memory_order_relaxed);
	}
}

/* Part of a granule: it loses what it knew of those bytes, no more. */
static void wipe_bytes(struct granule *g, uint64_t mask)
{
	for (unsigned i = 0; i < GRANULE_RECORDS; i++) {
		uint64_t r = atomic_load_explicit(&g->record[i], memory_order_relaxed);
		if (r & mask)
			atomic_store_explicit(&g->record[i], r & RECORD_MASK & ~mask ? r & ~mask : 0, memory_order_relaxed);
	}
}

static void wipe_line(struct granule *g, uintptr_t addr)
{
	for (unsigned i = 0; i < 8; i++)
		wipe_granule(g + i, addr + 8 * i);
}

void shadow_line_gone(uintptr_t addr, uint64_t record, uint32_t context)
{
	struct granule *g = shadow_granule(addr);
	if (!g && !(g = shadow_get(addr)))
		return;
	struct region *r = region_of(g);
	_Atomic uint8_t *line = line_of(g);
	if (atomic_load_explicit(line, memory_order_relaxed) == LINE_USED)
		wipe_line(g, addr);
	struct gone *gone = &r->gone[line - r->line];
	atomic_store_explicit(&gone->record, record, memory_order_relaxed);
	atomic_store_explicit(&gone->context, context, memory_order_relaxed);
	atomic_store_explicit(line, LINE_GONE, memory_order_release);
}

uintptr_t shadow_next(uintptr_t addr, uintptr_t end)
{
	while (addr < end) {
		const struct granule *g = shadow_granule(addr);
		uintptr_t stop = shadow_region_end(addr);
		if (!g) {
			addr = stop;
			continue;
		}
		const _Atomic uint8_t *line = line_of(g), *first = region_of(g)->line;
		uintptr_t base = stop - (1ul << REGION_BITS);
		size_t i = (size_t)(line - first), n = end < stop ? (end - base + LINE_BYTES - 1) / LINE_BYTES : LINES;
		while (i < n && !first[i]) {
			if (i % 8 == 0)
				while (i + 8 <= n && !*(const volatile uint64_t *)(const void *)&first[i])
					i += 8;
			i += i < n && !first[i];
		}
		if (i < n)
			return base + i * LINE_BYTES > addr ? base + i * LINE_BYTES : addr;
		addr = stop;
	}
	return end;
}

/* Whole pages go back to the kernel where there are many. */
static void clear(uintptr_t lo, uintptr_t hi)
{
	uintptr_t a = (lo + PAGE - 1) & ~(PAGE - 1), b = hi & ~(PAGE - 1);
	if (b > a && b - a >= DROP_FROM && sys3(SYS_madvise, a, b - a, MADV_DONTNEED) == 0) {
		memset((void *)lo, 0, a - lo);
		memset((void *)b, 0, hi - b);
		return;
	}
	memset((void *)lo, 0, hi - lo);
}

/* Lines from n on, up to m, of which there are many. */
static void drop_lines(struct region *r, size_t n, size_t m)
{
	clear((uintptr_t)&r->granule[8 * n], (uintptr_t)&r->granule[8 * m]);
	clear((uintptr_t)&r->line[n], (uintptr_t)&r->line[m]);
	for (size_t p = (n + 15) / 16; shadow_counted && p < m / 16; p++)
		if (r->counted[p] && atomic_exchange(&r->counted[p], 0)) {
			arena_uncount(PAGE + BESIDE);
			atomic_fetch_sub_explicit(&nr_counted, 1, memory_order_relaxed);
		}
}

void shadow_fork_child(void)
{
	/* The kernel has wiped it. */
	arena_uncount(atomic_exchange(&nr_counted, 0) * (PAGE + BESIDE));
}

/* Part of a line. */
static COLD void wipe_part(struct region *r, size_t line, uintptr_t addr, uintptr_t stop)
{
	struct granule *g = &r->granule[8 * line + (addr >> 3 & 7)];
	if (atomic_load_explicit(&r->line[line], memory_order_relaxed) == LINE_GONE)
		unfold(r, line);
	for (uintptr_t to; addr < stop; addr = to, g++) {
		to = (addr | 7) + 1 < stop ? (addr | 7) + 1 : stop;
		if (to - addr == 8)
			wipe_granule(g, addr);
		else if (granule_any(g))
			wipe_bytes(g, granule_mask(addr, (unsigned)(to - addr)));
	}
}

/* Within one region. */
static void wipe_within(struct region *r, uintptr_t addr, uintptr_t end)
{
	size_t n = (addr & ((1ul << REGION_BITS) - 1)) / LINE_BYTES;
	for (uintptr_t stop; addr < end; addr = stop, n++) {
		uint8_t is = atomic_load_explicit(&r->line[n], memory_order_relaxed);
		stop = (addr | (LINE_BYTES - 1)) + 1;
		if (is == LINE_EMPTY)
			continue;
		if (unlikely(addr & (LINE_BYTES - 1) || stop > end)) {
			wipe_part(r, n, addr, stop < end ? stop : end);
			continue;
		}
		if (is == LINE_USED)
			wipe_line(&r->granule[8 * n], addr);
		atomic_store_explicit(&r->line[n], LINE_EMPTY, memory_order_relaxed);
	}
}

#define DROP_LINES (DROP_FROM / (8 * sizeof(struct granule)))

void shadow_wipe(uintptr_t addr, size_t bytes)
{
	uintptr_t end = addr + bytes;
	if (end < addr || end >> 47)
		return;
	if (unlikely(race_hybrid))
		hybrid_wipe(addr, bytes);
	for (uintptr_t stop; addr < end; addr = stop) {
		struct granule *g = shadow_granule(addr);
		stop = shadow_region_end(addr) < end ? shadow_region_end(addr) : end;
		if (!g)
			continue;
		struct region *r = region_of(g);
		uintptr_t lo = (addr + LINE_BYTES - 1) & ~(uintptr_t)(LINE_BYTES - 1), hi = stop & ~(uintptr_t)(LINE_BYTES - 1);
		if (likely(hi < lo + DROP_LINES * LINE_BYTES)) {
			wipe_within(r, addr, stop);
			continue;
		}
		wipe_within(r, addr, lo);
		size_t n = (lo & ((1ul << REGION_BITS) - 1)) / LINE_BYTES;
		drop_lines(r, n, n + (hi - lo) / LINE_BYTES);
		wipe_within(r, hi, stop);
	}
}
