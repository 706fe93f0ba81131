/* stack_at.c - See stack_at.h. */
#include "core/stack_at.h"

#include "base/arena.h"

#include <stdatomic.h>

struct scratch {
	struct step_frame walked[STACK_MAX_DEPTH + 1];
	struct depot_frame frames[STACK_MAX_DEPTH];
};

COLD uint32_t stack_at_slow(struct stack_at_cache *c, const struct step_regs *regs)
{
	struct scratch *s = arena_malloc(sizeof(*s));
	if (!s)
		return 0;
	uintptr_t pc = regs->r[16], sp = regs->r[7];
	unsigned depth = stack_depth(), n, tries = 0;
	enum step_end end;
	do
		n = step_walk(regs, c->lo, c->hi, s->walked, depth, &end);
	while (unlikely(stack_learn(s->walked, n)) && tries++ < 8);
	for (unsigned i = 0; i < n; i++)
		s->frames[i] = stack_frame_of(s->walked[i].pc, s->walked[i].exact);
	uint32_t id = depot_put(s->frames, n, end == STEP_CUT || (end == STEP_FULL && n == depth));
	struct stack_site *site = (struct stack_site *)(uintptr_t)stack_at_slot(c, pc, sp);
	c->misses++;
	site->pc = 0;
	atomic_signal_fence(memory_order_seq_cst);
	if (id && stack_remember_slots(site, s->walked, n, pc, sp, regs->rbp_at)) {
		site->cfa = sp;
		site->stack = id;
		atomic_signal_fence(memory_order_seq_cst);
		site->pc = pc;
	}
	arena_free(s);
	return id;
}

void stack_at_reset(struct stack_at_cache *c, uintptr_t lo, uintptr_t hi)
{
	c->lo = lo;
	c->hi = hi;
	for (unsigned i = 0; i < STACK_AT_SITES; i++)
		c->site[i].pc = c->site[i].cfa = 0;
}
