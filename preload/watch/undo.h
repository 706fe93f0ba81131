/*
 * undo.h - A module's own code again where it was patched, while other threads may be running there.
 */
#ifndef SNARL_WATCH_UNDO_H
#define SNARL_WATCH_UNDO_H

#include "watch/patched.h"

/* Puts back all but the few windows whose left-over bytes serve as somebody's island. Whoever is in a trampoline goes on there. False:
 * the kernel has no means for it; nothing was changed. */
bool undo_patches(struct patched *c);

#endif
