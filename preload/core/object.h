/*
 * object.h - Registry of synchronisation objects: which lock is at this address now.
 *
 * An address gets a new identity (id) whenever the object there ends: destroyed, its memory freed or unmapped, its
 * stack frame gone, initialised again. Ids are never reused (after 2^28 there are no more: counted as dropped), what was known
 * of those that are over is: memory goes by what is alive at a time. Top four bits: the family, so that a wrong type is noticed
 * by the same comparison that finds the object.
 *
 * locks: lock-free find; everything that changes takes RANK_LOCKS.
 */
#ifndef SNARL_CORE_OBJECT_H
#define SNARL_CORE_OBJECT_H

#include "base/compiler.h"
#include "wire/kinds.h"

#include <stdatomic.h>

enum object_family { FAMILY_MUTEX = 1, FAMILY_RWLOCK, FAMILY_SPIN, FAMILY_SEM, FAMILY_COND, FAMILY_BARRIER, FAMILY_ONCE,
		     FAMILY_FILE };
#define OBJECT_FAMILY_SHIFT 28

enum object_attr {
	OBJECT_ROBUST = 1,
	OBJECT_PI = 2,
	OBJECT_PP = 4,
	OBJECT_PSHARED = 8,
	OBJECT_PREFER_WRITER = 16,
};

/* What a semaphore is good for (detect/semlock.h). */
enum sem_role { SEM_SIGNAL, SEM_LOCK, SEM_THREAD_END };

enum object_place { PLACE_HEAP, PLACE_STATIC, PLACE_STACK };

struct object {
	uintptr_t addr;
	uint32_t id;
	uint8_t kind; /* enum lock_kind */
	uint8_t attrs;
	uint8_t place;
	bool init_seen; /* by a call, not by a static initialiser */
	uint32_t init_stack, first_stack; /* depot ids */
	uint32_t init_thread;
	uint32_t owner_thread;            /* PLACE_STACK: whose stack */
	uint32_t mutex;                   /* cond: id of the mutex of its present waiters */
	_Atomic uint32_t waiters;         /* cond, barrier, sem: inside a wait now */
	_Atomic uint32_t wakes;           /* signals, posts, releases seen */
	_Atomic uint32_t contended;
	struct {
		_Atomic uint8_t role; /* enum sem_role */
		_Atomic bool scoped;
		_Atomic uint32_t holder; /* thread id */
		_Atomic uint32_t pairs;  /* taken and posted by one thread */
	} sem;
	uint32_t next_in_page;
	uint32_t contended_told;          /* in the journal */
	_Atomic bool destroyed;
};

struct object_slot {
	_Atomic uintptr_t addr;
	_Atomic uint32_t id;   /* 0: none now */
	_Atomic uint32_t dead; /* id of what was destroyed here last */
};

struct object_table {
	uint32_t mask;
	_Atomic uint32_t used; /* how often its memory has been used again */
	struct object_slot slot[];
};

extern struct object_table *_Atomic object_table;

HOT uint32_t object_hash(uintptr_t addr) { return (uint32_t)(((addr >> 3) * 0x9e3779b97f4a7c15u) >> 32); }

/* Hot half: the id of the object of this family at addr, or 0: not there, or, seldom, unlucky; object_add knows. cost: one cache
 * line. */
HOT uint32_t object_find(uintptr_t addr, enum object_family family)
{
	const struct object_table *t = atomic_load_explicit(&object_table, memory_order_acquire);
	for (uint32_t i = object_hash(addr) & t->mask;; i = (i + 1) & t->mask) {
		uintptr_t a = atomic_load_explicit(&t->slot[i].addr, memory_order_relaxed);
		if (likely(a == addr)) {
			uint32_t id = atomic_load_explicit(&t->slot[i].id, memory_order_acquire);
			/* Again: the table may be the one before last, and about to be used for other addresses. */
			a = atomic_load_explicit(&t->slot[i].addr, memory_order_relaxed);
			return likely(id >> OBJECT_FAMILY_SHIFT == (uint32_t)family && a == addr) ? id : 0;
		}
		if (a == 0)
			return 0;
	}
}

void object_start(void);

/* The record of an id; never NULL (an unknown id gives one that says so). */
struct object *object_by_id(uint32_t id);

struct object_news {
	uintptr_t addr;
	enum object_family family;
	enum lock_kind kind;
	unsigned attrs;
	uint32_t stack;
	uint32_t thread;
	uintptr_t stack_lo, stack_hi; /* of the calling thread, 0 unknown */
	bool init;                    /* an initialisation call */
};

/* Registers the object of that address, replacing whatever was there. *old gets the id that ended, *dead that of an earlier
 * destroyed one (each 0: none). Returns 0 when out of memory (counted). */
COLD uint32_t object_add(const struct object_news *n, uint32_t *old, uint32_t *dead);

/* Any object there now, of whatever family; 0 none. */
uint32_t object_at(uintptr_t addr);

/* What was destroyed there and not replaced since; 0 nothing. Lock-free. */
uint32_t object_dead_at(uintptr_t addr);

/* It was destroyed: remembered as such at its address. */
void object_destroy(uint32_t id);

/* Is there possibly an object in [addr, addr + bytes)? Lock-free, two loads for a small block, may err towards true. */
bool object_maybe_in(uintptr_t addr, size_t bytes);

/* An object that has just ended, and where it was: its record may be another's already. No lock is held. */
typedef void object_gone_fn(uint32_t id, uintptr_t addr, void *arg);

/* Ends every object in [addr, addr + bytes), destroyed ones included; calls f for each live one. */
void object_forget_range(uintptr_t addr, size_t bytes, object_gone_fn *f, void *arg);

/* Ends the objects on this thread's stack in [lo, below) (their frames are gone). Returns the lowest address seen of those left
 * on the same pages, else UINTPTR_MAX. */
uintptr_t object_forget_stack(uint32_t thread, uintptr_t lo, uintptr_t below, object_gone_fn *f, void *arg);

/* Objects ever seen; refused for want of memory. */
uint64_t object_count(void);
uint64_t object_dropped(void);
/* Is any object outside static storage? (free and munmap have nothing to look for otherwise.) */
extern _Atomic bool object_any_dynamic;

void object_fork_child(void);

#endif
