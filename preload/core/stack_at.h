/*
 * stack_at.h - The stack of one instruction of the program, given its registers, for a few nanoseconds.
 *
 * As stack.h, but the innermost frame is not a call into a hook: the pc is exact, and frame pointers may still be in rbp.
 * A cache of its own, because memory accesses have many more sites than lock calls.
 */
#ifndef SNARL_CORE_STACK_AT_H
#define SNARL_CORE_STACK_AT_H

#include "core/stack.h"

#include "core/depot.h"
#include "core/step.h"

#define STACK_AT_SITES 2048u /* per thread, direct-mapped */
/* stack_slot.off: the value is in rbp itself; nothing to compare. All others are at or above the stack pointer. */
#define STACK_RBP    INT32_MIN
#define STACK_ALWAYS (INT32_MIN + 1)

struct stack_at_cache {
	uintptr_t lo, hi; /* this thread's stack, 0 unknown */
	uint64_t misses;
	struct stack_site site[STACK_AT_SITES]; /* cfa: the stack pointer at pc */
};

HOT const struct stack_site *stack_at_slot(const struct stack_at_cache *c, uintptr_t pc, uintptr_t sp)
{
	return &c->site[(pc ^ (pc >> 11) ^ (sp >> 4)) % STACK_AT_SITES];
}

HOT bool stack_at_is(const struct stack_slot *s, uintptr_t sp, uintptr_t rbp)
{
	if (unlikely(s->off < 0))
		return s->off == STACK_ALWAYS || s->value == rbp;
	return stack_word(sp + (uintptr_t)(intptr_t)s->off) == s->value;
}

/* Hot half. 0: ask stack_at_slow. cost: 2 ns + about 0.5 ns a frame, no write. */
HOT uint32_t stack_at(const struct stack_at_cache *c, uintptr_t pc, uintptr_t sp, uintptr_t rbp)
{
	const struct stack_site *s = stack_at_slot(c, pc, sp);
	if (unlikely(s->pc != pc || s->cfa != sp))
		return 0;
	for (uint32_t i = 0; i < STACK_NEAR; i++)
		if (unlikely(!stack_at_is(&s->near[i], sp, rbp)))
			return 0;
	const struct stack_slot *slot = s->slot;
	for (uint32_t i = 0; i < s->nr; i++)
		if (unlikely(!stack_at_is(&slot[i], sp, rbp)))
			return 0;
	return s->stack;
}

/* Unwinds from these registers (known: pc, rsp and the callee-saved ones), interns, remembers. 0 when out of memory.
 * The gate is shut. */
COLD uint32_t stack_at_slow(struct stack_at_cache *c, const struct step_regs *regs);

void stack_at_reset(struct stack_at_cache *c, uintptr_t lo, uintptr_t hi);

/* ---- shared with stack.c ---------------------------------------------------------------------------------------- */

unsigned stack_depth(void);
struct depot_frame stack_frame_of(uintptr_t pc, bool exact);
/* Fills in what has to be verified for frames 1..n-1; false when that cannot be said in slots. rbp_at: the word that
 * stands for the register rbp, 0: the hook pushed it. */
bool stack_remember_slots(struct stack_site *site, const struct step_frame *f, unsigned n, uintptr_t pc, uintptr_t cfa, uintptr_t rbp_at);
/* Whether a frame lay in a library that was not known and is now. */
bool stack_learn(const struct step_frame *f, unsigned n);

#endif
