/*
 * names.h - What people call things: threads, locks, places in the source.
 */
#ifndef SNARL_TOOLS_NAMES_H
#define SNARL_TOOLS_NAMES_H

#include "source.h"
#include "trace.h"

enum lock_named { LOCK_BY_SYMBOL, LOCK_BY_INIT, LOCK_BY_FIRST, LOCK_BY_NATURE, LOCK_BY_ADDRESS };

struct lock_name {
	enum lock_named by;
	const char *text;   /* "mutexA", "mutex@pool.c:44", "mutex at 0x5580" */
	const char *symbol; /* LOCK_BY_SYMBOL */
	const char *file;   /* full path of the declaration, initialisation or first lock; may be NULL */
	unsigned line;
	const char *function;      /* whose static it is, or what initialised it; may be NULL */
	const struct trace *trace; /* of the initialisation or the first lock */
};

struct names_file; /* names.c */

struct names {
	struct symbols *symbols;
	struct mem mem;
	bool full_paths;
	struct sources sources;
	struct names_file *files;
};

void names_init(struct names *n, struct symbols *s, bool full_paths);
void names_free(struct names *n);

/* Never NULL, whatever the id. */
const struct lock_name *names_lock_facts(struct names *n, struct section *s, uint64_t lock);
const char *names_lock(struct names *n, struct section *s, uint64_t lock);
const char *names_lock_kind(const struct section *s, uint64_t lock); /* "mutex", "read-write lock" */

/* The memory of a race: "counter", "table+0x28", "a block allocated at pool.c:31". Never NULL; fills in f->place. */
const char *names_datum(struct names *n, const struct finding *f);

/* `thread 2 "worker"`; `Thread` at the start of a sentence. */
const char *names_thread(struct names *n, const struct section *s, uint64_t thread, bool sentence);

/* Base name, a longer one where two files have the same, the whole one if so wished. */
const char *names_file(struct names *n, const char *path);
/* "demo.c:31", "libfoo.so.1+0x1234", "an unknown place". */
const char *names_place(struct names *n, const struct frame *f);
const char *names_site(struct names *n, struct section *s, uint64_t stack);
/* Looks at a stack's files before any of them is shown, so that equal base names are told apart from the start. */
void names_meet(struct names *n, const struct trace *t);

/* Its base name. */
const char *names_base(const char *path);

/* First lower-case letter of a text made upper case. */
const char *names_sentence(struct names *n, const char *text);

#endif
