/*
 * depot.h - Interned stacks: a stack is a small number from here on.
 *
 * Frames are kept as module + offset, so an id keeps its meaning when modules come and go. Ids start at 1; 0 is "no stack".
 */
#ifndef SNARL_CORE_DEPOT_H
#define SNARL_CORE_DEPOT_H

#include "base/compiler.h"

#define DEPOT_PYTHON 0xffff /* as a module: the offset is a place in Python code (core/python.h) */

struct depot_frame {
	uint64_t offset : 47; /* pc - bias of the module, or the pc itself for module 0 */
	uint64_t exact : 1;   /* not a return address */
	uint64_t module : 16;
};

struct depot_stack {
	uint32_t hash;
	uint16_t nr;
	uint16_t cut; /* ended early */
	struct depot_frame frame[]; /* innermost first */
};

/* Finds or makes the id of this stack. 0 when out of memory (counted).
 * locks: lock-free find, RANK_DEPOT to add. */
uint32_t depot_put(const struct depot_frame *frames, unsigned nr, bool cut);

/* The stack of an id; NULL for 0. Lock-free; valid for ever. */
const struct depot_stack *depot_get(uint32_t id);

uint32_t depot_count(void);
void depot_fork_child(void);

#endif
