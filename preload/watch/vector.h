/* vector.h - What a gather, a scatter or a masked move will touch: from the vector registers before it runs. */
#ifndef SNARL_WATCH_VECTOR_H
#define SNARL_WATCH_VECTOR_H

#include "watch/site.h"

#define VECTOR_PARTS 64u

struct vector_part {
	uintptr_t addr;
	uint8_t bytes;
};

/* The offset of a state component in what xsave writes; from cpuid. */
void vector_component(unsigned component, uint32_t offset);

/* Fills parts, neighbours joined, and returns how many. addr: of the operand without its vector index; area: as xsave
 * wrote it. cost: some 10 ns. */
unsigned vector_parts(const struct watch_site *site, uintptr_t addr, const void *area,
		      struct vector_part parts[VECTOR_PARTS]);

#endif
