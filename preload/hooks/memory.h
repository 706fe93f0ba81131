/* memory.h - What the hooks on memory share. */
#ifndef SNARL_HOOKS_MEMORY_H
#define SNARL_HOOKS_MEMORY_H

#include "hooks/interpose.h"

/* The stack of a call that gives or takes memory; 0: not worth a walk. */
uint32_t memory_stack(struct thread *t, struct site site);

/* Addresses are about to lose their meaning, or have a new one. t may be NULL. */
void memory_leaves(struct thread *t, uintptr_t addr, size_t bytes, struct site site, const char *call);
void memory_comes(struct thread *t, uintptr_t addr, size_t bytes, struct site site);

#endif
