/* access.c - See access.h. */
#include "watch/access.h"

static bool constant(const struct code *c, const struct insn *i)
{
	if ((i->is & INSN_WRITES) || i->base < 16 || i->index < 16)
		return false;
	uintptr_t at = i->base == BASE_RIP ? insn_goal(c, i) : (uintptr_t)(intptr_t)i->disp;
	for (unsigned d = 0; d < c->view->nr_data; d++)
		if (at >= c->view->data[d].lo && at < c->view->data[d].hi)
			return c->view->data[d].constant;
	return code_place(c, at) != UINT32_MAX;
}

enum access access_of(const struct code *c, const struct code_function *f, const struct insn *i)
{
	if (!(i->is & (INSN_READS | INSN_WRITES)))
		return ACCESS_NONE;
	if (c->view->only_sync && !(i->is & INSN_LOCKED))
		return ACCESS_NONE;
	if (!(i->is & INSN_STRING)) {
		if (!(f->is & FN_STACK_TAKEN) && (i->base == RSP || (i->base == RBP && (f->is & FN_FRAME))))
			return ACCESS_PRIVATE;
		if (!(i->is & (INSN_ODD | INSN_BITS | INSN_VECTOR)) && constant(c, i))
			return ACCESS_CONSTANT;
	}
	if ((i->is & INSN_FS) && i->base == NO_REG && i->index == NO_REG && i->disp >= 0)
		return ACCESS_PRIVATE; /* libc's thread control block: stack protector, pointer guard, the thread
					  pointer */
	/* The stub's operand needs a register of its own. */
	if ((i->is & INSN_FS) && ((i->is & INSN_ADDR32) || i->base == BASE_RIP || i->base == RSP ||
				  (i->base == RDI && i->index == RSI) || (i->base == RSI && i->index == RDI)))
		return ACCESS_ODD;
	/* A stub's operand is relative to a deeper stack. */
	if ((i->is & INSN_ODD) || (i->base == RSP && (i->disp > INT32_MAX - 1024)) || i->disp > INT32_MAX - 64)
		return ACCESS_ODD;
	if (i->kind == INSN_CALL_FAR || (i->kind == INSN_JMP_FAR && !(i->is & INSN_PINNED)))
		return i->size == 8 ? ACCESS_WATCH : ACCESS_PINNED; /* a far one reads a segment as well */
	if ((i->is & INSN_PINNED) || i->kind != INSN_PLAIN)
		return ACCESS_PINNED;
	return ACCESS_WATCH;
}
