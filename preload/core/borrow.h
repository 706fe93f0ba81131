/*
 * borrow.h - libunwind, opened privately, as the second opinion when our own stepper has no rule.
 *
 * dlopen(RTLD_NOW | RTLD_LOCAL): a DT_NEEDED would put its `backtrace` in front of the target's. Its pipe, malloc,
 * sigprocmask, dl_iterate_phdr … are redirected in its GOT to harmless ones of ours, because it would otherwise open
 * descriptors and take locks inside the target. It runs on a stack of ours, one call at a time.
 */
#ifndef SNARL_CORE_BORROW_H
#define SNARL_CORE_BORROW_H

#include "base/compiler.h"

/* Opens it (once; later calls do nothing). Call with the gate shut and none of our locks held, where dlopen is allowed.
 * Returns NULL, or why it is unavailable (a static string or one in the arena). */
const char *borrow_start(void);
bool borrow_available(void);

/* Return addresses from here outwards by libunwind, as unw_backtrace. 0 when unavailable. Gate shut.
 * locks: RANK_BORROW. cost: microseconds a frame, 0.5 ms the first time. */
unsigned borrow_backtrace(void **out, unsigned max);

/* Forked child: a call that was under way in another thread left libunwind half way, so it is not used any more. */
void borrow_fork_child(void);

#endif
