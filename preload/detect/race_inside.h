/* race_inside.h - What the parts of race.h know of each other. */
#ifndef SNARL_DETECT_RACE_INSIDE_H
#define SNARL_DETECT_RACE_INSIDE_H

#include "core/thread.h"
#include "detect/race.h"

extern struct race_engine race_engine;

/* Keys that are not addresses. */
#define KEY_START(thread) (1ul << 63 | (uintptr_t)(thread) << 1)
#define KEY_END(thread)   (1ul << 63 | (uintptr_t)(thread) << 1 | 1)
/* Where the second clocks of a key stand (hybrid.h). */
#define KEY_WEAK(key) ((key) ^ 1ul << 58)
/* Machine-code atomics of different size on one granule are one location. */
#define KEY_ATOMIC(addr) ((addr) & ~(uintptr_t)7)

/* ---- clock.c */

/* Slots ever used: how long vector clocks are. */
uint32_t clock_width(void);
/* Who had this slot at that clock: thread id, 0 unknown. */
uint32_t clock_owner(uint32_t slot, uint32_t clock);
/* The thread that has the slot now, or had it last. Its vc may be read at any time. */
struct race_thread *clock_slot(uint32_t slot);
/* An epoch ends: the clock moves on when there was anything in it. Returns the clock that everything up to now is covered by. */
uint32_t clock_release(struct race_thread *rt);
/* u (NULL: every live thread but `by`) is to acquire from key at its next event. */
void clock_poke(struct race_thread *u, const struct race_thread *by, uintptr_t key);
/* What u has done in its present epoch counts as released: it is to begin another one, at the next check it makes. how: POKED_LENT or POKED_STEP. */
void clock_lent(struct race_thread *u, uintptr_t how);
/* That. In the thread itself. */
void clock_step(struct race_thread *rt);
/* Nobody but rt is recording an access of this granule any more, or will tag its bytes; its bytes are a synchronisation location. */
void clock_settle(struct race_thread *rt, uintptr_t addr);
/* It comes after everything all threads have done so far. */
void clock_learn_all(struct race_thread *rt);
void clock_fork_child(void);

/* ---- sync.c */

bool sync_start(void);
/* What it says joins into vc; true: something was new. */
bool sync_take(uintptr_t key, uint32_t *vc);
/* Joins vc into what it says. */
void sync_join(uintptr_t key, const uint32_t *vc);
/* Everything that thread may have done is ordered before whoever acquires from key. */
void sync_lend(uintptr_t key, const struct race_thread *from);
void sync_fork_child(void);
uint64_t sync_count(void);

/* ---- shadow.c */

bool shadow_start(void);
/* As shadow_granule, ready to be written to: mapping the region if need be, its byte GRANULE_USED. NULL: no such memory, or none left. */
struct granule *shadow_get(uintptr_t addr);
/* Nothing is known of it any more; its state is as it was. */
void shadow_granule_wipe(struct granule *g, uintptr_t addr);
/* The granules of [addr, end), both multiples of 8, have just been written so, and nothing is known of them; forgotten where there is
 * no memory for that. record: as granule_put takes it, but for the mask. */
void shadow_gone(uintptr_t addr, uintptr_t end, uint64_t record, uint32_t context);
/* The end of the stretch of shadow that addr lies in, or where the next one may begin. */
HOT uintptr_t shadow_region_end(uintptr_t addr) { return (addr | ((1ul << REGION_BITS) - 1)) + 1; }
void shadow_wipe(uintptr_t addr, size_t bytes);
void shadow_fork_child(void);
/* The first address in [addr, end) whose line may hold anything; end: none. cost: 1 ns for each line, for each 32 KiB where nothing is. */
uintptr_t shadow_next(uintptr_t addr, uintptr_t end);

/* ---- readers.c: where a granule's reads go for which it has no room */

/* 0: not known, for its halves are of two accesses. */
HOT uint32_t context_of(uint64_t r, uint64_t contexts, unsigned i)
{
	uint32_t context = (uint32_t)(contexts >> 21 * i & CONTEXT_LOW) | (uint32_t)(r & 31) << 21;
	return context_bits(context) == (r & RECORD_CONTEXT) ? context : 0;
}

bool readers_start(void);
/* An access for which the granule's records, r as they were read, have no room. many: which of them is_many(), or GRANULE_RECORDS.
 * True: recorded. False: it was not, but what was read of other bytes may have made room for a write. */
bool readers_beside(struct granule *g, const uint64_t *r, unsigned many, uint64_t mine, uint32_t context, bool write);
/* The reads of these bytes, at most READERS; forget: no longer. */
unsigned readers_take(struct granule *g, uint64_t many, uint64_t mask, bool forget, uint64_t *record, uint32_t *context);
void readers_fork_child(void);

/* ---- race.c */

struct access {
	struct thread *t;
	struct race_thread *rt;
	uint32_t context, stack;
	bool write;
};

struct access race_access_of(struct thread *t, bool write, uint32_t stack);
/* The bytes in mask of one granule are about to be given back: what is in no order with that is told. keep: recorded, too. */
void race_freed(const struct access *a, struct granule *g, uintptr_t addr, uint64_t mask, bool keep);

/* ---- race_sync.c: synchronisation locations */

/* These bytes of the granule at addr become one. all: not known who has read them. */
void sync_make(struct granule *g, uintptr_t addr, uint64_t mask, struct race_thread *rt, bool all);
/* Bytes of one granule that are one: plain loads acquire, plain stores release. */
void sync_plain(struct thread *t, uintptr_t addr, bool write);
/* Acquires once more from where its last synchronising access may have read later than it said. */
void race_catch_up(struct thread *t);
HOT bool race_is_behind(const struct race_thread *rt) { return (rt->pending & ~7ul) | atomic_load_explicit(&rt->poked, memory_order_relaxed); }

/* ---- context: stacks with the locks held (lockset.c) */

uint32_t race_context_slow(struct thread *t, uint32_t stack);
void race_context_parts(uint32_t context, uint32_t *stack, uint32_t *set);

#endif
