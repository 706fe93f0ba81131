/*
 * emit.h - Findings and the facts they refer to, as journal lines. Deciding is done elsewhere; reading is done elsewhere.
 *
 * What a finding refers to (threads, locks, stacks, modules) is written before it, once.
 * locks: RANK_EMIT, then the journal's. The gate is shut.
 */
#ifndef SNARL_DETECT_EMIT_H
#define SNARL_DETECT_EMIT_H

#include "base/compiler.h"
#include "detect/order.h"
#include "wire/kinds.h"

/* A memory access. */
struct finding_access {
	uintptr_t addr;
	uint32_t bytes;
	bool write, freed; /* freed: the block was given back there */
};

/* What lies at the address of an access. */
struct finding_place {
	enum { PLACE_UNKNOWN, PLACE_GLOBAL, PLACE_BLOCK, PLACE_THREAD_STACK, PLACE_TLS } what;
	uintptr_t addr;   /* of the access */
	uintptr_t start;  /* block: where it begins */
	size_t bytes;     /* block: its size */
	uintptr_t offset; /* global: link-time address; TLS: within the module's thread-local block */
	uint32_t module;  /* global, TLS: id, 0 not known */
	uint32_t thread;  /* block: who allocated it; stack, TLS: whose */
	uint32_t stack;   /* block: where it was allocated */
};

struct finding_thread {
	uint32_t thread;
	const char *role; /* wire/journal.h */
	uint32_t stack;   /* its own, 0 none */
	bool wants;
	uint32_t want_lock, want_key, want_stack;
	uint32_t want_thread; /* join */
	const char *call;     /* NULL unknown */
	const struct order_hold *holds;
	unsigned nr_holds;
	const struct finding_access *access; /* NULL none */
};

struct finding {
	enum kind kind;
	int grade; /* -1: the kind's own */
	const char *message;
	const char *call, *error;
	const struct finding_thread *thread;
	unsigned nr_threads;
	const uint32_t *lock;
	unsigned nr_locks;
	const struct finding_place *place; /* NULL none */
	bool flag, chance;                 /* of a race: see race.h */
	/* The lock that was held in so many of all accesses (unguarded-write: writes) of the place; all 0: not known. */
	struct {
		uint32_t lock, held, all;
	} usual;
};

/* Writes it unless the same (fingerprint) was written before. Returns whether it was new. */
bool emit_finding(const struct finding *f);

/* Before the first finding: the runtime makes sure that somebody listens. advice_too: mere advice is worth it. */
void emit_before_first(void (*f)(void), bool advice_too);

/* Whoever listened is gone: the next finding counts as the first. */
void emit_first_again(void);

/* The header line of a section. args: NUL-separated, as in /proc/self/cmdline. */
void emit_header(int pid, int ppid, const char *exe, const char *args, size_t args_len, const char *options);
/* Somebody new listens: what findings refer to is written anew from here on. */
void emit_again(void);
void emit_note(const char *note);
/* Dependencies are written as they become known, from here on; else at the end. */
void emit_edges_at_once(bool yes);
void emit_edge(const struct order_dep *d);
/* Every dependency not yet written, the counters and the end record. May be called again (a forked child, a failed exec). */
void emit_end(const char *reason);
/* Places in the program that access memory, as far as they were asked to be watched, and those that are; refused: why the others are not, which
 * must stay; elsewhere: more of them, in code that the program runs at another address. For the end record. */
void emit_watched(uint64_t sites, uint64_t watched, uint64_t elsewhere, const char *refused);
/* Races were wanted, and why they are not looked for; for the end record. */
void emit_no_races(const char *why);

/* New findings so far, at or above this grade. */
uint64_t emit_findings(enum grade least);

/* In a forked child: a new journal starts from nothing. */
void emit_fork_child(void);

#endif
