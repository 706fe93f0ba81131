/*
 * hybrid.h - races=hybrid: races that this run happened to order, by the order in which a lock went round.
 *
 * Beside the clocks of race.h, which believe every order, each thread has a second one, which believes an order between two
 * critical sections of one lock only where it had to be: where the second section touches what the first one wrote, or writes
 * what it read. Then the end of the first one, with all that came before it by this clock, comes before that access (weak
 * causal precedence and its relatives: Kini, Mathur and Viswanathan, PLDI 2017; WDC in Roemer, Genc and Bond, PLDI 2020). All
 * that is no lock orders as it does in race.h: create, join, conditions, barriers, semaphores, once, atomics, descriptors.
 *
 * What cannot be seen counts as order: a section in which no write was seen (its data may be in code that is not watched), and
 * a section of a lock that such code took. A section is one of mutex, read-write lock or spin lock; other locks order.
 *
 * Two accesses that are ordered by the first clock but not by the second, and have no lock in common, are a possible race.
 * What is missed: what reads a value that decides whether the other access is made at all, elsewhere than in those sections
 * (false alarms), pairs of which one was in between overwritten in the four records of a granule (races lost).
 *
 * memory: 64 bytes for each 8 accessed, beside race.h's 32; 300 KiB a thread.
 */
#ifndef SNARL_DETECT_HYBRID_H
#define SNARL_DETECT_HYBRID_H

#include "core/thread.h"
#include "detect/race.h"

/* Where race_hybrid (race.h) is false none of these is called. */

/* ---- order (hybrid_order.c) */

#define MAX_SECTIONS 32u

struct section {
	uintptr_t key;
	uint32_t lock;
	bool shared;  /* of a reader */
	bool is_rwlock;
	bool wrote;   /* else its order is believed */
	bool foreign; /* its lock was taken by code that is not watched */
};

#define MAX_PAGES 16384u

/* Where a section ended: what came before its end. */
#define END_SLOTS 64u
#define MAX_ENDS  128u
struct section_end {
	uintptr_t key;
	uint32_t own, n; /* of it, and how many of vc are told */
	uint32_t vc[END_SLOTS];
};

struct hybrid_thread {
	/* What comes before, own epochs apart. */
	uint32_t vc[RACE_SLOTS];
	/* The same without what is known through conflicts at the granule `through` alone. */
	uint32_t without[RACE_SLOTS];
	uintptr_t through;
	uint32_t birth; /* clock of the first epoch: earlier ones of the slot were another thread's */
	uint32_t nr_sections, tag, nr_pages;
	uintptr_t last_page;
	struct section section[MAX_SECTIONS];
	_Atomic uint32_t ends_lock;
	uint32_t nr_ends;
	struct section_end end[MAX_ENDS]; /* the last ones, read by others */
	uintptr_t page[MAX_PAGES]; /* where the plane holds anything since it was last cleared */
	uint16_t place_of[2 * MAX_PAGES]; /* hash -> place in page[], which tells whether it is true */
};

struct hybrid_thread *hybrid_of(const struct race_thread *rt);

/* t's second clock begins: after race_thread_created in its creator, or after everything. False: out of memory. */
bool hybrid_started(struct thread *t);
/* To sync_send and sync_recv; own: the clock that covers everything up to now. */
void hybrid_sent(struct thread *t, uintptr_t key, uint32_t own);
void hybrid_received(struct thread *t, uintptr_t key);
/* A lock has been taken, after hybrid_received: its entry is the newest of those held. */
void hybrid_locked(struct thread *t);
/* Whatever is known is now known for certain. */
void hybrid_learn(struct race_thread *rt);
/* Comes all this before t's present, without a doubt about sections in which nothing was written yet? */
bool hybrid_knows(struct thread *t, uint32_t slot, uint32_t clock);
/* What slot did at that clock in a section of the same lock conflicts with what t is doing in s: the end of that section, with
 * all that came before it, comes before. slot 0: not known which, so all of them. */
void hybrid_conflict(struct thread *t, const struct section *s, uint32_t slot, uint32_t clock, uintptr_t granule);

/* The next tag. In turn, and the plane is cleared before one comes again: a record that is skipped would be an order lost. */
void hybrid_tag_step(struct race_thread *rt);
void hybrid_tagged(struct thread *t, uintptr_t addr, size_t bytes);
/* The same without clearing anything. False: no room. */
bool hybrid_note(struct hybrid_thread *h, uintptr_t addr, size_t bytes);

/* ---- the rule (hybrid.c) */

/* Locks are held, but there was no room to say which. */
#define SOME_LOCKS (UINT32_MAX - 1)

struct hybrid_access {
	struct thread *t;
	uintptr_t addr; /* in one granule */
	uint32_t mask;  /* its bytes there */
	uint32_t stack, set; /* 0 none, SOME_LOCKS */
	bool write;
};

/* What t holds, as its race_thread knows it. */
uint32_t hybrid_set(const struct thread *t);
/* After race.h's rule, for each granule; tells *other if the two are a possible race. keep: record it. */
bool hybrid_seen(const struct hybrid_access *a, bool keep, struct race_side *other);
/* What was there is forgotten. */
void hybrid_wipe(uintptr_t addr, size_t bytes);
bool hybrid_start(void);
void hybrid_fork_child(void);

#endif
