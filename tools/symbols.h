/*
 * symbols.h - Functions, files, lines and variables of addresses, out of process and after the fact.
 *
 * By the file's path if its build id is still the recorded one, else by build id below /usr/lib/debug. Addresses are
 * link-time addresses, as journals have them. Strings live until symbols_free.
 */
#ifndef SNARL_TOOLS_SYMBOLS_H
#define SNARL_TOOLS_SYMBOLS_H

#include "model.h"

enum symbols_state {
	SYMBOLS_READY,
	SYMBOLS_MISSING, /* no such file */
	SYMBOLS_CHANGED, /* the file is another one now: nothing it says would be true */
	SYMBOLS_STRANGE, /* not ELF, or damaged */
};

struct symbols_place {
	const char *function; /* demangled, without parameters; NULL when unknown */
	const char *linkage;  /* as the linker knows it; NULL when the same or unknown */
	uint64_t past;        /* bytes past the function's start, when there is no file */
	const char *file;     /* full path when known; NULL without debug info */
	unsigned line;
	bool inlined; /* into the place that follows */
};

struct symbols_datum {
	const char *name; /* "mutexA", "pool.lock", "table+0x28" */
	const char *file; /* of its declaration; may be NULL */
	unsigned line;
	const char *function; /* whose static variable it is; may be NULL */
	bool atomic;          /* it, or what it is part of, has an atomic type */
};

struct symbols {
	struct mem mem;
	struct symbols_file *files;
};

void symbols_init(struct symbols *s);
void symbols_free(struct symbols *s);

/* The module's file, opened once for all modules of that path and build id. */
struct symbols_file *symbols_file(struct symbols *s, struct module *m);
enum symbols_state symbols_state(const struct symbols_file *f);

#define SYMBOLS_MAX_INLINE 32

/* The places of code at `address`, innermost first; the last is the function that was called for real. 0: unknown. */
unsigned symbols_code(struct symbols *s, struct symbols_file *f, uint64_t address, struct symbols_place *places);

/*
 * The variable at `address`, or, if `local`, the one so far into the file's thread-local block.
 * `hint`: source of what accesses it, or NULL; chooses between members that share bytes.
 */
bool symbols_data(struct symbols *s, struct symbols_file *f, uint64_t address, bool local, const char *hint,
		  struct symbols_datum *datum);

struct symbols_spot {
	struct symbols_file *file;
	uint64_t address;
};

/*
 * What lies `offset` bytes into a block of the heap that was made and is used at these places of code: "job.path[3].y",
 * the type's name in place of a variable's. False when that cannot be told.
 */
bool symbols_block(struct symbols *s, const struct symbols_spot *made, unsigned nr_made,
		   const struct symbols_spot *used, unsigned nr_used, uint64_t bytes, uint64_t offset, const char *hint,
		   struct symbols_datum *datum);

/*
 * What on another thread's stack is accessed at these places: "local" that a lambda refers to, or "Worker.done" of an
 * object there. NULL unless the source names just one.
 */
const char *symbols_referred(struct symbols *s, const struct symbols_spot *used, unsigned nr_used, uint64_t bytes, const char *hint);

#endif
