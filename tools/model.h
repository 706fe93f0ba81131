/*
 * model.h - What journals say, as structs: the facts of wire/journal.h, by section and id.
 *
 * Ids may dangle: a journal can be torn anywhere. Every _find may return NULL and readers must live with it.
 */
#ifndef SNARL_TOOLS_MODEL_H
#define SNARL_TOOLS_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "mem.h"
#include "wire/kinds.h"

struct symbols_file;
struct trace;

struct module {
	uint64_t id;
	const char *path, *build_id;
	uint64_t base, end;
	bool interpreter;          /* runs code of another language, whose frames stand in stacks by themselves */
	uint64_t started;          /* of its section: a file changed later is another one */
	struct symbols_file *file; /* symbols.c */
	UT_hash_handle hh;
};

struct frame_ref {
	uint64_t module, offset;
	bool exact;
	const char *file, *function; /* of interpreted code; else NULL */
	unsigned line;
};

struct stack {
	uint64_t id;
	unsigned nr;
	bool cut;
	struct frame_ref *frames;
	struct trace *trace; /* trace.c */
	UT_hash_handle hh;
};

struct thread {
	uint64_t id, tid, parent, created, born_seg, joined_by, joined_seg;
	const char *name;
	bool ended, is_main;
	UT_hash_handle hh;
};

struct lock {
	uint64_t id, address, module, offset, init, first, contended;
	uint64_t thread; /* kind "thread": whose end is waited for */
	int kind;
	const char *kind_slug;
	bool is_static;
	const char **attrs;
	unsigned nr_attrs;
	struct lock_name *name; /* names.c */
	UT_hash_handle hh;
};

struct hold {
	uint64_t lock, stack;
	const char *mode; /* "write" | "read" */
};

struct want {
	uint64_t lock, thread, stack; /* thread: its end is waited for, and lock is 0 */
	const char *mode, *how, *call;
};

struct edge {
	uint64_t id, thread, seg, stack, lock;
	const char *mode, *how;
	unsigned nr_held;
	struct hold *held;
};

struct access {
	uint64_t address, size; /* size 0: none */
	bool write, freed; /* freed: memory given back */
};

/* What lies at an address; what NULL: nothing was said. */
struct place {
	const char *what; /* "global" "heap" "stack" "tls" "unknown" */
	uint64_t address, module, offset, start, size, stack, thread;
	const char *text; /* names.c: what to call it; NULL not asked for yet */
	const char *symbol, *file, *function;
	unsigned line;
	bool atomic; /* by its type */
};

struct party {
	uint64_t thread, stack;
	const char *role;
	bool wants_any;
	struct want wants;
	unsigned nr_holds;
	struct hold *holds;
	struct access access;
};

struct section;

struct finding {
	struct section *section;
	uint64_t id;
	int kind; /* -1: not one we know */
	int grade;
	const char *kind_slug, *fingerprint, *message, *call, *error, *signal;
	unsigned nr_parties, nr_locks;
	struct party *parties;
	uint64_t *locks;
	struct place place;
	bool flag;   /* a race over what looks like a flag */
	bool chance; /* a race that only the order of locks kept apart */
	/* The lock that was held in so many of all accesses of the place (unguarded-write: of all writes); all 0: not known. */
	struct {
		uint64_t lock, held, all;
	} usual;
};

struct note {
	const char *text;
	uint64_t count;
	bool degraded;
};

struct section {
	struct model *model;
	const char *file;
	bool has_header, over; /* over: it has an `end` */
	bool foreign;          /* of another run that writes to the same place: not ours to tell */
	uint64_t pid, ppid, start, format;
	const char *exe, *program, *version, *arch, *options;
	const char **args;
	unsigned nr_args;
	struct module *modules;
	struct stack *stacks;
	struct thread *threads;
	struct lock *locks;
	struct edge *edges;
	size_t nr_edges, cap_edges;
	struct note *notes;
	size_t nr_notes, cap_notes;
	const char *reason;
	uint64_t end_locks, end_edges, end_cycles, end_threads, end_findings, end_folded, end_sites, end_watched, end_elsewhere;
	uint64_t nr_records;
};

struct damage {
	const char *file, *reason;
	uint64_t offset;
};

struct model {
	struct mem mem;
	struct section **sections;
	size_t nr_sections, cap_sections;
	struct finding **findings; /* in the order they were found */
	size_t nr_findings, cap_findings;
	struct damage *damages;
	size_t nr_damages, cap_damages;
};

void model_init(struct model *m);
void model_free(struct model *m);

struct section *model_section(struct model *m, const char *file);

/* Takes one record into *s, or into a new section when it is a header. NULL, or why it was not taken. */
const char *model_add(struct model *m, struct section **s, const char *file, json_t *record);

void model_damage(struct model *m, const char *file, uint64_t offset, const char *reason);

struct module *model_module(const struct section *s, uint64_t id);
struct stack *model_stack(const struct section *s, uint64_t id);
struct thread *model_thread(const struct section *s, uint64_t id);
struct lock *model_lock(const struct section *s, uint64_t id);

/* The program's short name, never NULL. */
const char *model_program(const struct section *s);
/* Another section of the same process follows: exec went on. */
bool model_continued(const struct model *m, const struct section *s);

#endif
