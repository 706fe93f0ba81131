/*
 * loader.h - Being told when the loader has mapped a library, before anything in it runs.
 *
 * The loader calls an empty function for debuggers then (_r_debug.r_brk); its first instruction becomes a jump to us.
 * After dlopen has returned is too late: the library's constructors may have started threads.
 */
#ifndef SNARL_WATCH_LOADER_H
#define SNARL_WATCH_LOADER_H

#include "base/compiler.h"

/* f is called in the thread that loads, which holds the loader's lock; the list of modules is consistent then, the new
 * ones are mapped but not relocated. False: that function does not look as expected (a debugger may be there): nothing
 * was changed. */
bool loader_watch(void (*f)(void));

#endif
