/*
 * runtime.h - Start, stop, forked child, and stepping aside: the only file that knows every floor.
 */
#ifndef SNARL_RUNTIME_H
#define SNARL_RUNTIME_H

#include "base/compiler.h"

/* Our own invariant is broken: the gates shut, a note is written, the program lives. */
void confused(const char *what);

#endif
