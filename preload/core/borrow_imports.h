/*
 * borrow_imports.h - What libunwind gets instead of the functions it imports.
 *
 * Each answers ours while a call of ours is under way, and passes everybody else on to the real one: the target may
 * open the same library later, and dlopen then gives it the copy that we redirected.
 */
#ifndef SNARL_CORE_BORROW_IMPORTS_H
#define SNARL_CORE_BORROW_IMPORTS_H

#include "base/compiler.h"

#include <stdatomic.h>

/* Address of the thread's own control block while it is inside libunwind for us, 0 otherwise. */
extern _Atomic uintptr_t import_owner;

enum import_kind { IMPORT_UNKNOWN, IMPORT_HARMLESS, IMPORT_REPLACED };

/* What to do about an import. REPLACED: *to is the function to put there, *keep where to note the real one. */
enum import_kind import_classify(const char *name, void **to, void ***keep);

/* Where abort() goes while we are inside; __builtin_setjmp's buffer. */
extern void *import_way_out[5];

#endif
