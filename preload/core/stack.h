/*
 * stack.h - The stack of the call that is being made, as a depot id, for a few nanoseconds.
 *
 * Each thread has a cache of sites keyed by (pc, CFA) of the call. An entry holds where on the stack the outer return
 * addresses lie and what they were; it is a hit only if all of them are still the same, so two callers of one wrapper
 * are never confused. The check goes outwards and stops at the first difference: a slot is read only when everything
 * inside it matched, hence belongs to frames of the same shape.
 *
 * Where Python code runs, the same native frames can stand for other Python ones: such a site is remembered under a pc that no
 * call has, and the slow half adds the Python frames each time.
 */
#ifndef SNARL_CORE_STACK_H
#define SNARL_CORE_STACK_H

#include "base/compiler.h"

#define STACK_SITES     256u /* per thread, direct-mapped */
#define STACK_MAX_DEPTH 256u

struct stack_slot {
	uintptr_t value; /* return address expected there, or the frame pointer that says where the next one lies */
	int32_t off;     /* from the CFA of the call; negative: what the hook itself saved */
};

/* The first slots stand in the site itself; of those there are too many the return address of the call is looked for. */
enum { STACK_NEAR = 2 };

struct stack_site {
	uintptr_t pc, cfa;
	struct stack_slot near[STACK_NEAR];
	struct stack_slot *slot; /* the rest */
	uint32_t stack;          /* depot id */
	uint16_t nr;             /* slots to verify beside the first */
	uint16_t room;           /* slots allocated */
};
_Static_assert(sizeof(struct stack_site) == 64, "a cache line");

struct stack_cache {
	_Alignas(64) struct stack_site site[STACK_SITES];
	uintptr_t lo, hi; /* this thread's stack, 0 unknown */
	uint64_t misses;
	struct python_memo *python;     /* core/python.h */
	const struct python_call *call; /* NULL: not inside a lock's method */
};

/* Any word of the stack, which a sanitizer takes for somebody's red zone. */
HOT uintptr_t stack_word(uintptr_t addr)
{
#ifdef SNARL_CHECK
	uintptr_t v;
	__asm__("movq %1, %0" : "=r"(v) : "m"(*(const uintptr_t *)addr));
	return v;
#else
	return *(const uintptr_t *)addr;
#endif
}

HOT bool stack_slot_is(const struct stack_slot *s, uintptr_t cfa)
{
	return stack_word(cfa + (uintptr_t)(intptr_t)s->off) == s->value;
}

/* Its place: pc over two scales and the CFA, which is a multiple of 16; by one shift to the left where others take two. */
HOT size_t stack_site_at(uintptr_t pc, uintptr_t cfa)
{
	return ((pc << 5) ^ (pc >> 3) ^ (cfa << 2)) & ((STACK_SITES - 1) * sizeof(struct stack_site));
}

/* Hot half. pc: return address of the hook; cfa: the stack pointer just above it. 0: ask stack_capture_slow.
 * The hook has a frame pointer (it asks for __builtin_frame_address): callers with alloca are told apart by the rbp
 * there. cost: 2 ns + about 0.5 ns a frame, no write. */
HOT uint32_t stack_capture(const struct stack_cache *c, uintptr_t pc, uintptr_t cfa)
{
	const struct stack_site *s = (const struct stack_site *)(const void *)((const char *)c->site + stack_site_at(pc, cfa));
	if (unlikely(s->pc != pc || s->cfa != cfa))
		return 0;
	for (uint32_t i = 0; i < STACK_NEAR; i++)
		if (unlikely(!stack_slot_is(&s->near[i], cfa)))
			return 0;
	const struct stack_slot *slot = s->slot;
	for (uint32_t i = 0; i < s->nr; i++)
		if (unlikely(!stack_slot_is(&slot[i], cfa)))
			return 0;
	return s->stack;
}

/* Unwinds from here, drops the frames up to and including the one whose return address is `pc` at `cfa`'s callee side
 * (so that frame 0 of the result is `pc`), interns, remembers. c may be NULL (no cache). 0 when out of memory.
 * The gate is shut. */
COLD uint32_t stack_capture_slow(struct stack_cache *c, uintptr_t pc, uintptr_t cfa);

/* Whatever was cached may have changed its meaning (new thread on this slot, a module went away). */
void stack_cache_reset(struct stack_cache *c, uintptr_t lo, uintptr_t hi);

/* Frames kept, 1..STACK_MAX_DEPTH (option stack_depth). Default 64. */
void stack_set_depth(unsigned depth);

#endif
