/* race_memory.c - Memory that comes and goes: giving it back is a write to all of it, and what comes is clean. */
#include "detect/race_found.h"
#include "detect/hybrid.h"
#include "detect/race_inside.h"
#include "detect/shadow_region.h"

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

void mem_back(struct thread *t, uintptr_t addr, size_t bytes)
{
	struct granule *g = shadow_granule(addr);
	if (unlikely(race_hybrid || !g || bytes - 1 >= GONE_KEPT || (addr | bytes) & 7 || (addr ^ (addr + bytes)) >> REGION_BITS || !race_engine.forget_granules)) {
		mem_fresh(t, addr, bytes, 0);
		return;
	}
	if (!t->race || race_stopped)
		return;
	uint64_t used = states_used(state_of(g), bytes / 8);
	if (likely(!used)) {
		states_put(state_of(g), bytes / 8, GRANULE_EMPTY, 0, 0);
	} else { /* since it was given back: by the allocator, if that is watched */
		race_engine.forget_granules(t, addr, used);
		shadow_wipe(addr, bytes);
	}
}

void mem_code(uintptr_t addr, size_t bytes, uint64_t offset)
{
	if (!race_stopped && race_engine.code_mapped)
		race_engine.code_mapped(addr, bytes, offset);
}

/* A write to what is known of [addr, end), not kept. */
static void check(const struct access *a, uintptr_t addr, uintptr_t end)
{
	while ((addr = shadow_next(addr, end)) < end) {
		struct granule *g = shadow_granule(addr);
		uintptr_t stop = (addr | (LINE_BYTES - 1)) + 1 < end ? (addr | (LINE_BYTES - 1)) + 1 : end;
		for (uintptr_t to; addr < stop; g++, addr = to) {
			uint8_t is = atomic_load_explicit(state_of(g), memory_order_relaxed);
			to = (addr | 7) + 1 < stop ? (addr | 7) + 1 : stop;
			if (is == GRANULE_EMPTY || (is != GRANULE_USED && !shadow_get(addr)))
				continue;
			if (granule_any(g))
				race_freed(a, g, addr, granule_mask(addr, (unsigned)(to - addr)), false);
		}
	}
}

/* A write to [addr, end), kept: granule by granule. */
static void keep(const struct access *a, uintptr_t addr, uintptr_t end)
{
	for (uintptr_t to; addr < end; addr = to) {
		struct granule *g = shadow_get(addr);
		to = (addr | 7) + 1 < end ? (addr | 7) + 1 : end;
		if (g)
			race_freed(a, g, addr, granule_mask(addr, (unsigned)(to - addr)), true);
	}
}

#define FEW 8u
#define ALL UINT64_MAX

/* A write to [addr, end), granules and no more than 64 of them; afterwards nothing is known of them. Which of them were used, if they
 * were few: this thread has no tags of others. */
HOT uint64_t settle(const struct access *a, struct granule *g, uintptr_t addr, uintptr_t end)
{
	unsigned n = 0;
	const uint64_t all = states_used(state_of(g), (end - addr) / 8);
	for (uint64_t used = all; used; used &= used - 1, n++) {
		unsigned at = granule_nth(used);
		_Atomic uint64_t *record = g[at].record;
		bool order = true;
		for (unsigned i = 0; i < GRANULE_RECORDS; i++) {
			uint64_t r = atomic_load_explicit(&record[i], memory_order_relaxed);
			order &= a->rt->vc[slot_of(r)] >= r >> 32 && (slot_of(r) || !r);
		}
		if (likely(order)) {
			for (unsigned i = 0; i < GRANULE_RECORDS; i++)
				atomic_store_explicit(&record[i], 0, memory_order_relaxed);
			continue;
		}
		race_freed(a, g + at, addr + 8 * at, RECORD_MASK, false);
		shadow_granule_wipe(g + at, addr + 8 * at);
	}
	return n <= FEW ? all : ALL;
}

/* Its tags of [addr, end), too: of the granules from lo to hi only some are used. */
HOT void forget(struct thread *t, uintptr_t addr, uintptr_t end, uintptr_t lo, uintptr_t hi, uint64_t used)
{
	if (!race_engine.forget)
		return;
	if (used == ALL || lo != addr || !race_engine.forget_granules) {
		race_engine.forget(t, addr, end - addr);
		return;
	}
	if (used)
		race_engine.forget_granules(t, lo, used);
	if (hi < end)
		race_engine.forget(t, hi, end - hi);
}

void mem_gone(struct thread *t, uintptr_t addr, size_t bytes, uint32_t stack)
{
	uintptr_t end = addr + bytes;
	if (!t->race || race_stopped || end < addr || end >> 47)
		return;
	if (race_is_behind(t->race))
		race_catch_up(t);
	struct access a = race_access_of(t, true, stack);
	race_found_freed(stack);
	uintptr_t kept = bytes < GONE_BLOCK && addr & 4095 ? addr + (bytes < GONE_KEPT ? bytes : GONE_KEPT) : addr;
	uintptr_t lo = (addr + 7) & ~7ul, hi = kept & ~7ul;
	if (unlikely(race_hybrid) || lo > hi)
		lo = hi = kept;
	if (unlikely(lo > addr))
		keep(&a, addr, lo);
	struct granule *g = shadow_granule(lo);
	uint64_t used = ALL;
	if (likely(lo < hi && g && !((lo ^ (hi - 1)) >> REGION_BITS) && atomic_load_explicit(state_of(g), memory_order_relaxed) <= GRANULE_USED)) {
		used = settle(&a, g, lo, hi);
	} else if (lo < hi) { /* given back once already, perhaps */
		check(&a, lo, hi);
		shadow_wipe(lo, hi - lo);
	}
	shadow_gone(lo, hi, t->race->epoch | RECORD_WRITE | context_bits(a.context), a.context);
	if (unlikely(hi < kept))
		keep(&a, hi, kept);
	t->race->nonempty |= kept > addr;
	if (kept < end) {
		check(&a, kept, end);
		shadow_wipe(kept, end - kept);
	}
	if (unlikely(race_hybrid) && kept > addr)
		hybrid_wipe(addr, kept - addr);
	forget(t, addr, end, lo, hi, used);
}
