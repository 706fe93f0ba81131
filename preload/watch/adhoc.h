/*
 * adhoc.h - Flags: a word that one thread stores and another looks at before it goes on.
 *
 * On x86-64 an atomic load or store that acquires or releases is a plain mov. What tells one from a race at the moment of the
 * race is only how it is used: the load decides a branch, and the store is nothing but a store.
 */
#ifndef SNARL_WATCH_ADHOC_H
#define SNARL_WATCH_ADHOC_H

#include "watch/decode.h"

struct adhoc_code {
	const uint8_t *code;
	size_t bytes;
};
#define ADHOC_FRAMES 3u /* std::atomic's load, its conversion operator, and who asks */

/*
 * Does what is loaded at at[0] decide a branch soon after, in the same straight line, or is it followed as a pointer? at[1..nr):
 * where the function returns to, its caller, and so on; a result that is returned is followed there. Pure.
 */
bool adhoc_decides(const struct decoder *d, const struct adhoc_code *at, unsigned nr);
/* Is it a mere store? Pure. */
bool adhoc_stores(const struct decoder *d, const uint8_t *code, size_t bytes);

/* The same of the program's code, as it is in its file (in memory it is patched). For race_engine. Slow. */
bool adhoc_flag(const uintptr_t *read_pc, unsigned nr, uintptr_t write_pc);
/* Bytes that the instruction there accesses, 0 not known. As adhoc_flag. */
unsigned adhoc_size(uintptr_t pc);

#endif
