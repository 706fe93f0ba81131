/*
 * arena.h - The runtime's memory: mmap'ed, never the program's malloc.
 *
 * arena_alloc hands out zeroed memory that lives until the process ends (type-stable: a stale
 * pointer into it still points at the same kind of thing). Big tables that are replaced when
 * they grow come from arena_map and may go back.
 *
 * errors: NULL when the kernel or memory_limit refuses; the caller counts its loss and lives on.
 * locks: RANK_ARENA, taken inside, for chunk changes only.
 */
#ifndef SNARL_BASE_ARENA_H
#define SNARL_BASE_ARENA_H

#include "base/compiler.h"

/* Zeroed, 16-byte aligned. */
void *arena_alloc(size_t bytes);

/* Whole zeroed pages; from 2 MiB on advised to be huge pages (random access to a table misses the TLB first). */
void *arena_map(size_t bytes);
void arena_unmap(void *p, size_t bytes);

/* Memory that the caller mapped itself counts as well. False: the limit does not allow it, it is not counted. */
bool arena_count(size_t bytes);
void arena_uncount(size_t bytes);

/* Upper bound for everything above, in bytes; 0 means none. Default none. */
void arena_limit(size_t bytes);
bool arena_limited(void);
/* Bytes taken from the kernel so far, and requests refused. */
size_t arena_bytes(void);
uint64_t arena_refused(void);

/* malloc-shaped front end for libraries that want free and realloc (uthash, libunwind's copy).
 * Size classes of powers of two with free lists; locks: RANK_HEAP. */
void *arena_malloc(size_t bytes);
void *arena_calloc(size_t n, size_t bytes);
void *arena_realloc(void *p, size_t bytes);
void arena_free(void *p);

/* Forked child: forget who held the locks inside. */
void arena_fork_child(void);

#endif
