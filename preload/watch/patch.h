/*
 * patch.h - Putting code into the process: room near a module, and bytes over its text.
 *
 * Text never becomes writable and executable at once. Where the kernel refuses to make written pages executable
 * (PR_SET_MDWE, SELinux), the new pages come from a memfd mapped read and execute only.
 * The caller is the only thread that may be executing the text, and all signals are blocked meanwhile.
 */
#ifndef SNARL_WATCH_PATCH_H
#define SNARL_WATCH_PATCH_H

#include "base/compiler.h"

/* NULL, or why no code can be put anywhere here. Tried on a page of our own: a text made writable that may not become
 * executable again would be lost. */
const char *patch_start(void);

/* Reserves room (no access yet) from which and to which all of [lo, hi) is in reach of a 32-bit displacement. 0: none.
 */
uintptr_t patch_room(uintptr_t lo, uintptr_t hi, size_t bytes);
void patch_room_free(uintptr_t at, size_t bytes);

/* Puts code into a reserved room. Where it is long and fills pages of its own, those move there and it reads as zeroes afterwards. */
bool patch_fill(uintptr_t at, void *code, size_t bytes);

/* One replacement of bytes. */
struct patch {
	uintptr_t at;
	uint8_t nr;
	uint8_t bytes[15];
};
/* Writes them over [lo, hi), which is mapped read and execute; sorted by address. All of them or none. */
bool patch_text(uintptr_t lo, uintptr_t hi, const struct patch *p, size_t nr);

#endif
