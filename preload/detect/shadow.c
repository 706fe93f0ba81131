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
#include "detect/shadow_region.h"

#include <string.h>
#include <sys/mman.h>

#define PAGE      SHADOW_PAGE
#define DROP_FROM (64 * PAGE) /* bytes of shadow from which on pages are given back instead of cleared */

/* Of a counted page's cost the part that is not granules: states, lines, and the plane of one thread. */
#define BESIDE 1216u

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

static void unfold(struct region *r, struct granule *g, uint8_t is)
{
	const struct gone *gone = &r->gone[index_of(r, g) / PER_LINE][is / GRANULE_GONE_TOO];
	uint64_t record = atomic_load_explicit(&gone->record, memory_order_relaxed) | RECORD_MASK;
	if (!granule_any(g))
		granule_put(g, 0, 0, record, atomic_load_explicit(&gone->context, memory_order_relaxed));
	granule_use(g);
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
	uint8_t is = atomic_load_explicit(state_of(g), memory_order_acquire);
	if (likely(is == GRANULE_USED))
		return g;
	struct region *r = region_of(g);
	if (shadow_counted && !count_page(r, g)) {
		race_stop("memory_limit leaves no room for a record of accesses");
		return NULL;
	}
	if (is == GRANULE_EMPTY)
		granule_use(g);
	else
		unfold(r, g, is);
	return g;
}

/* ---- forgetting ------------------------------------------------------------------------------------------------------- */

void shadow_granule_wipe(struct granule *g, uintptr_t addr)
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

/* May a line's record stand for this? Not while it stands for others, which were given back before. */
HOT bool gone_free(struct region *r, size_t line, uint64_t others, uint8_t state, uint64_t record, uint32_t context)
{
	const struct gone *gone = &r->gone[line][state / GRANULE_GONE_TOO];
	uint64_t differ = (atomic_load_explicit(&gone->record, memory_order_relaxed) ^ record) |
			  (atomic_load_explicit(&gone->context, memory_order_relaxed) ^ context);
	return !(*states_at(&r->state[line * PER_LINE]) & others & state * EVERY && differ);
}

HOT void gone_put(struct region *r, size_t line, uint8_t state, uint64_t record, uint32_t context)
{
	struct gone *gone = &r->gone[line][state / GRANULE_GONE_TOO];
	atomic_store_explicit(&gone->record, record, memory_order_relaxed);
	atomic_store_explicit(&gone->context, context, memory_order_relaxed);
}

/* One by one: granules i up to n. */
static void gone_each(struct region *r, size_t i, size_t n, uint64_t record, uint32_t context)
{
	for (; i < n; i++) {
		struct granule *g = &r->granule[i];
		if (shadow_counted && !count_page(r, g)) {
			atomic_store_explicit(state_of(g), GRANULE_EMPTY, memory_order_relaxed);
			continue;
		}
		atomic_store_explicit(&g->contexts, context & CONTEXT_LOW, memory_order_relaxed);
		atomic_store_explicit(&g->record[0], record | RECORD_MASK, memory_order_relaxed);
		granule_use(g);
	}
}

/* Within one region. */
HOT void gone_within(struct region *r, size_t i, size_t n, uint64_t record, uint32_t context)
{
	size_t line = i / PER_LINE, end = n / PER_LINE;
	page_use(&r->granule[i]);
	page_use(&r->granule[n - 1]);
	if (i % PER_LINE && (n <= (line + 1) * PER_LINE - 1 || !gone_free(r, line, ~states_among(i, PER_LINE), GRANULE_GONE_TOO, record, context))) {
		size_t to = (line + 1) * PER_LINE < n ? (line + 1) * PER_LINE : n;
		gone_each(r, i, to, record, context);
		if ((i = to) == n)
			return;
		line++;
	}
	if (n % PER_LINE && !gone_free(r, end, ~states_among(0, n), GRANULE_GONE, record, context)) {
		gone_each(r, end * PER_LINE, n, record, context);
		if ((n = end * PER_LINE) <= i)
			return;
	}
	size_t too = -i % PER_LINE;
	if (too)
		gone_put(r, line++, GRANULE_GONE_TOO, record, context);
	for (; line * PER_LINE < n; line++)
		gone_put(r, line, GRANULE_GONE, record, context);
	states_put(&r->state[i], n - i, GRANULE_GONE, too, GRANULE_GONE ^ GRANULE_GONE_TOO);
}

void shadow_gone(uintptr_t addr, uintptr_t end, uint64_t record, uint32_t context)
{
	for (uintptr_t stop; addr < end; addr = stop) {
		struct granule *g = shadow_granule(addr);
		stop = shadow_region_end(addr) < end ? shadow_region_end(addr) : end;
		if (!g && !(g = shadow_get(addr)))
			return;
		struct region *r = region_of(g);
		size_t i = index_of(r, g);
		gone_within(r, i, i + (stop - addr) / 8, record, context);
	}
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
		struct region *r = region_of(g);
		uintptr_t base = stop - (1ul << REGION_BITS);
		size_t i = index_of(r, g) / PER_LINE, n = end < stop ? (end - base + LINE_BYTES - 1) / LINE_BYTES : LINES;
		while (i < n) {
			if (r->page[i / 64]) {
				if (*states_at(&r->state[i * PER_LINE]))
					break;
				i++;
				continue;
			}
			i = (i | 63) + 1;
			while (i + 512 <= n && i % 512 == 0 && !*(const volatile uint64_t *)(const void *)&r->page[i / 64])
				i += 512;
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
	clear((uintptr_t)&r->state[n * PER_LINE], (uintptr_t)&r->state[m * PER_LINE]);
	for (size_t p = (n + 63) / 64; p < m / 64; p++)
		if (r->page[p])
			r->page[p] = 0;
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

/* Part of a granule. */
static COLD void wipe_part(struct region *r, uintptr_t addr, uintptr_t stop)
{
	struct granule *g = &r->granule[(addr & ((1ul << REGION_BITS) - 1)) / 8];
	uint8_t is = atomic_load_explicit(state_of(g), memory_order_relaxed);
	if (is != GRANULE_EMPTY && is != GRANULE_USED)
		unfold(r, g, is);
	if (is != GRANULE_EMPTY && granule_any(g))
		wipe_bytes(g, granule_mask(addr, (unsigned)(stop - addr)));
}

/* Within one region. */
static void wipe_within(struct region *r, uintptr_t addr, uintptr_t end)
{
	if (unlikely(addr & 7)) {
		uintptr_t stop = (addr | 7) + 1 < end ? (addr | 7) + 1 : end;
		wipe_part(r, addr, stop);
		addr = stop;
	}
	if (unlikely(end & 7) && addr < end) {
		wipe_part(r, end & ~7ul, end);
		end &= ~7ul;
	}
	if (addr >= end)
		return;
	for (size_t n; addr < end; addr += 8 * n) {
		struct granule *g = shadow_granule(addr);
		n = (end - addr) / 8 < 64 ? (end - addr) / 8 : 64;
		if (!region_of(g)->page[index_of(region_of(g), g) / 512] && !region_of(g)->page[index_of(region_of(g), g + n - 1) / 512])
			continue;
		for (uint64_t used = states_used(state_of(g), n); used; used &= used - 1)
			shadow_granule_wipe(g + granule_nth(used), addr + 8 * granule_nth(used));
		states_put(state_of(g), n, GRANULE_EMPTY, 0, 0);
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
