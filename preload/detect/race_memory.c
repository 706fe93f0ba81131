/* race_memory.c - Memory that comes and goes: giving it back is a write to all of it, and what comes is clean. */
#include "detect/race_found.h"
#include "detect/hybrid.h"
#include "detect/race_inside.h"

/*
 * A block that is freed stays written by whoever freed it until it is handed out anew, in its first bytes: who uses it later is
 * told. Mappings are forgotten at once, because what the loader or libc puts there next is handed out by nobody.
 */
#define GONE_KEPT  512u
#define GONE_BLOCK 65536u

void mem_fresh(struct thread *t, uintptr_t addr, size_t bytes, uint32_t stack)
{
	(void)stack;
	if (!t->race || race_stopped || !bytes)
		return;
	shadow_wipe(addr, bytes);
	if (race_engine.forget)
		race_engine.forget(t, addr, bytes);
}

/* A write to what is known of a line from addr on, not kept. */
static void check_line(const struct access *a, struct granule *g, uintptr_t addr, uintptr_t stop)
{
	for (uintptr_t to; addr < stop; g++, addr = to) {
		to = (addr | 7) + 1 < stop ? (addr | 7) + 1 : stop;
		if (granule_any(g))
			race_freed(a, g, addr, granule_mask(addr, (unsigned)(to - addr)), false);
	}
}

/* The same for [addr, end), which may be long. */
static void check(const struct access *a, uintptr_t addr, uintptr_t end)
{
	for (uintptr_t stop; (addr = shadow_next(addr, end)) < end; addr = stop) {
		struct granule *g = shadow_granule(addr);
		stop = (addr | (LINE_BYTES - 1)) + 1 < end ? (addr | (LINE_BYTES - 1)) + 1 : end;
		if (atomic_load_explicit(line_of(g), memory_order_relaxed) == LINE_GONE)
			g = shadow_get(addr);
		if (g)
			check_line(a, g, addr, stop);
	}
}

void mem_gone(struct thread *t, uintptr_t addr, size_t bytes, uint32_t stack)
{
	uintptr_t at = addr, end = addr + bytes;
	if (!t->race || race_stopped || end < addr || end >> 47)
		return;
	if (race_is_behind(t->race))
		race_catch_up(t);
	struct access a = race_access_of(t, true, stack);
	race_found_freed(stack);
	uintptr_t kept = bytes < GONE_BLOCK && addr & 4095 ? addr + (bytes < GONE_KEPT ? bytes : GONE_KEPT) : addr;
	uint64_t record = t->race->epoch | RECORD_WRITE | context_bits(a.context);
	for (uintptr_t stop; at < kept; at = stop) {
		if (!(at & (LINE_BYTES - 1)) && kept - at >= LINE_BYTES && !race_hybrid) {
			struct granule *known = shadow_granule(at);
			stop = at + LINE_BYTES;
			if (known && atomic_load_explicit(line_of(known), memory_order_relaxed) == LINE_USED)
				check_line(&a, known, at, stop);
			shadow_line_gone(at, record, a.context);
			continue;
		}
		struct granule *g = shadow_get(at);
		stop = (at | (LINE_BYTES - 1)) + 1 < kept ? (at | (LINE_BYTES - 1)) + 1 : kept;
		for (uintptr_t to; g && at < stop; at = to, g++) {
			to = (at | 7) + 1 < stop ? (at | 7) + 1 : stop;
			if (likely(!granule_any(g) && !race_hybrid))
				granule_put(g, 0, record | granule_mask(at, (unsigned)(to - at)), a.context);
			else
				race_freed(&a, g, at, granule_mask(at, (unsigned)(to - at)), true);
		}
	}
	t->race->nonempty |= kept > addr;
	if (kept < end)
		check(&a, kept, end);
	shadow_wipe(kept, end - kept);
	if (unlikely(race_hybrid) && kept > addr)
		hybrid_wipe(addr, kept - addr);
	if (race_engine.forget)
		race_engine.forget(t, addr, bytes);
}
