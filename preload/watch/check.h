/*
 * check.h - Emits one window: its instructions with a check before each watched access, and the stubs behind them.
 *
 * A check touches one register that is dead there, or saves one; the same with the flags. It may stand some
 * instructions before its access, where the flags are dead, if the operand's address is the same there.
 */
#ifndef SNARL_WATCH_CHECK_H
#define SNARL_WATCH_CHECK_H

#include "watch/emit.h"

#define WINDOW_ACCESSES 64u
#define WINDOW_INSNS    256u
#define JUMP_BYTES      5u /* the patch: what is behind it in a window stays as it was */

/* insn[0 .. count) is the window; live[] and watch[] run beside it (live: as of live_function; watch: to be checked).
 */
struct window {
	const struct insn *insn;
	const uint32_t *live;
	const uint8_t *watch;
	uint32_t count;
	uint32_t live_end; /* live behind the last one */
};

/* Emits a window at e->at; the last instruction may be a jump, a return, or a call through memory. Adds moved
 * instructions and sites to the plan.
 */
void check_window(struct emit *e, const struct window *w);

#endif
