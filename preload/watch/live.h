/* live.h - Which registers and flags somebody may still read, by dataflow over one function. */
#ifndef SNARL_WATCH_LIVE_H
#define SNARL_WATCH_LIVE_H

#include "watch/code.h"

struct live {
	uint32_t *before; /* for each instruction of the function: bits as insn.reads, live just before it */
	uint32_t *index;  /* scratch: instruction at each byte */
	size_t before_cap, index_cap;
};

/* Fills before[0 .. f->count). Everything is live where this function does not know what follows: at calls, returns,
 * indirect jumps and jumps out of it; flags alone are dead at calls, returns and jumps to other functions, as no
 * compiler passes anything in them. 0 or -1: out of memory. */
int live_function(struct live *l, const struct code *c, const struct code_function *f);
void live_close(struct live *l);

#endif
