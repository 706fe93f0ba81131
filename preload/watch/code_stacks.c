/* code_stacks.c - Functions that hand out no address of their stack frame: their slots are nobody else's. */
#include "watch/code.h"

/* %rbp is the frame pointer: set from %rsp, and to nothing else but what it was before. */
static bool has_frame(const struct code *c, const struct code_function *f)
{
	bool frame =
	    (f->is & FN_PART) != 0; /* set up by whoever jumped here, if at all: below it must not be changed */
	for (uint32_t n = f->first; n < f->first + f->count; n++) {
		const struct insn *i = &c->insn[n];
		if (!(i->changes >> RBP & 1))
			continue;
		if (((i->is & INSN_MOV64) && (i->is & INSN_SP)) ||
		    ((i->is & INSN_LEA) && i->base == RSP && i->index == NO_REG))
			frame = true;
		else if (i->len != 1) /* pop %rbp, leave */
			return false;
	}
	return frame;
}

static bool takes_address(const struct insn *i, bool frame)
{
	uint32_t own = 1u << RSP | (frame ? 1u << RBP : 0);
	bool passes = (i->changes & ~own) || (i->is & INSN_WRITES);
	if ((i->is & INSN_SP) && (passes || (i->changes == 1u << RSP && !(i->is & INSN_MOV64)))) /* push %rsp */
		return true;
	if ((i->is & INSN_BP) && frame && passes)
		return true;
	if (!(i->is & INSN_LEA))
		return false;
	return (i->changes & ~own) && (i->base == RSP || (frame && (i->base == RBP || i->index == RBP)));
}

/* A function and its .cold part have one frame. */
static bool same_frame(const struct code *c, const struct insn *i, const struct code_function *f,
		       struct code_function **out)
{
	if (i->kind != INSN_JCC && i->kind != INSN_JMP)
		return false;
	uint32_t to = code_place(c, insn_goal(c, i));
	if (to == UINT32_MAX || (to >= f->lo && to < f->hi))
		return false;
	*out = code_function_at(c, to);
	return *out && !((f->is | (*out)->is) & FN_BARE) && ((*out)->lo != to || ((*out)->is & FN_PART));
}

void code_stacks(struct code *c)
{
	for (uint32_t n = 0; n < c->nr_fn; n++) {
		struct code_function *f = &c->fn[n];
		bool frame = !(f->is & FN_BARE) && has_frame(c, f);
		f->is |= frame ? FN_FRAME : 0;
		for (uint32_t i = f->first; i < f->first + f->count && !(f->is & FN_STACK_TAKEN); i++)
			if (takes_address(&c->insn[i], frame))
				f->is |= FN_STACK_TAKEN;
	}
	/* Parts follow their functions in few steps; whoever is not done then is taken to hand out addresses. */
	bool changed = true;
	for (unsigned round = 0; changed && round < 8; round++) {
		changed = false;
		for (uint32_t n = 0; n < c->nr_fn; n++) {
			struct code_function *f = &c->fn[n], *g;
			for (uint32_t i = f->first; i < f->first + f->count; i++) {
				if (!same_frame(c, &c->insn[i], f, &g))
					continue;
				uint16_t was = f->is, were = g->is;
				f->is |= g->is & FN_STACK_TAKEN;
				g->is |= f->is & FN_STACK_TAKEN;
				if (!(g->is & FN_FRAME) && (g->is & FN_PART) == 0)
					f->is &= (uint16_t) ~(f->is & FN_PART ? FN_FRAME : 0);
				if ((f->is & FN_FRAME) == 0 && (g->is & FN_PART))
					g->is &= (uint16_t)~FN_FRAME;
				changed |= was != f->is || were != g->is;
			}
		}
	}
	for (uint32_t n = 0; changed && n < c->nr_fn; n++)
		c->fn[n].is |= FN_STACK_TAKEN;
}
