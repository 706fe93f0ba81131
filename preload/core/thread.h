/*
 * thread.h - Threads: who they are, what they hold, what they wait for.
 *
 * A thread has a record for ever (struct thread_info, by id) and, while it lives, a working slot (struct thread) that is
 * used again by later threads. Slots and records are type-stable: another thread may read them at any time; what it
 * reads counts only after the checks named at each reader.
 */
#ifndef SNARL_CORE_THREAD_H
#define SNARL_CORE_THREAD_H

#include "base/compiler.h"
#include "core/stack.h"
#include "core/tls.h"
#include "wire/kinds.h"

#include <stdatomic.h>

struct held {
	uintptr_t addr; /* 0: a hole; its lock is no lock's id */
	uint32_t lock;  /* object id */
	uint32_t stack; /* depot id of the acquisition */
	uint32_t chain; /* of this and all before it; CHAIN_UNSET: looked up when somebody asks */
	uint16_t count; /* recursion */
	uint8_t key;    /* order.h: mode | how */
	uint8_t family; /* enum object_family */
};

#define CHAIN_UNSET UINT32_MAX

enum wait_kind { WAIT_NONE, WAIT_LOCK, WAIT_JOIN, WAIT_COND, WAIT_SEM, WAIT_BARRIER };

struct wait {
	_Atomic uint32_t seq; /* odd while waiting */
	uint32_t nested;      /* waits of signal handlers inside this one: not published */
	uintptr_t sp;         /* frame that published */
	uint8_t kind;         /* enum wait_kind */
	uint8_t key;          /* mode | how */
	bool timed;           /* ends by itself */
	bool reported;        /* this wait is part of a finding already */
	_Atomic bool looking; /* between publishing and the blocking call, inside snarl */
	uint32_t lock;        /* object id; WAIT_JOIN: 0 */
	uint32_t target;      /* WAIT_JOIN: thread id */
	uint32_t mutex;       /* WAIT_COND: object id of its mutex; WAIT_JOIN: of the semaphore that tells the end, 0 none */
	uintptr_t addr, mutex_addr;
	uint32_t stack;
	uint32_t wakes; /* of the object, when the wait began */
	const char *call;
	_Atomic uint64_t beat_ns; /* when it last showed that it goes on, where it waits in slices or spins */
	uint64_t looked_ns;       /* its last look around */
};

struct order_entry;
struct order_known;
struct race_thread;

struct thread {
	/* hot: one cache line */
	_Atomic uint32_t nr_held;
	uint32_t seg;
	struct held *held; /* old arrays stay readable when it grows */
	uint32_t room;
	int tid;
	uintptr_t stack_objects; /* lowest address of a lock on this thread's own stack, UINTPTR_MAX none */
	struct {
		struct order_entry *entry;
		uint32_t mask, used;
		struct order_known *known;
		uint32_t known_mask, known_used;
	} order_; /* layout of struct order_cache, asserted in detect/verbs.c */
	/* Chains that are wanted again at once, where no other load need be waited for. */
	struct {
		uint32_t nr_held, chain; /* of the last lock taken on top of another */
	} top;
	struct {
		uint32_t lock, stamp, chain; /* of a first lock: the last one asked for */
	} first;
	uint32_t held_low, held_holes; /* nothing is held below; entries with addr 0 above */
	uint32_t id;

	struct race_thread *race; /* detect/race.h; NULL: races are off */

	struct wait wait;
	struct thread_info *info;
	struct tls *tls;
	struct thread *next;    /* in the list of live ones, RANK_THREADS */
	struct thread *prev;
	uint32_t exit_rounds;
	_Atomic uintptr_t disowned;
	_Atomic bool cancelled; /* somebody asked it to end */
	void *once_fn;
	uint32_t names_asked; /* hooks/python.c */
	struct stack_cache stacks;
};

enum thread_flag {
	THREAD_DETACHED = 1,
	THREAD_ENDED = 2,
	THREAD_JOINED = 4,
	THREAD_MAIN = 8,
	THREAD_UNSEEN = 16, /* attached by itself: nobody saw it being created */
	THREAD_FAILED = 32, /* its creation failed */
	THREAD_UNFORKED = 64, /* it lived in the parent of this forked process */
};

struct thread_info {
	uint32_t id; /* from 1, never reused */
	int tid;     /* 0 until it runs */
	uint32_t parent, born_seg;
	uint32_t created; /* depot id of the creating stack */
	uint32_t joined_by, joined_seg;
	_Atomic uint32_t flags;
	_Atomic uintptr_t handle; /* pthread_t; 0 until known */
	struct thread *_Atomic live; /* its slot, NULL before and after */
	struct thread_info *next_joinable;
	char name[16];
	char given[40]; /* by the program's language; empty: none known */
	_Atomic uint32_t written; /* what the journal knows: 1 it exists, 2 its end */
};

void thread_start(void);

/* A record for a thread about to be created. NULL when out of memory. */
struct thread_info *thread_new(uint32_t parent, uint32_t born_seg, uint32_t created, bool detached);
/* Its creation failed. */
void thread_unborn(struct thread_info *info);

/* Makes the calling thread a live one (info NULL: one nobody saw being created). [stack_lo, stack_hi): its stack.
 * Sets tls.thread; the caller opens the gate. NULL when out of memory. locks: RANK_THREADS. */
struct thread *thread_attach(struct thread_info *info, uintptr_t handle, uintptr_t stack_lo, uintptr_t stack_hi);
/* The calling thread ends. Its slot may be used by another thread as soon as this returns. */
void thread_detach(struct thread *t);

struct thread_info *thread_by_id(uint32_t id); /* NULL: none */
/* The live thread with this kernel id, or NULL. Lock-free. */
struct thread *thread_by_tid(int tid);
/* The newest thread with this pthread_t that is not joined; *joined: one that was. */
struct thread_info *thread_by_handle(uintptr_t handle, bool *joined);

/* It can be joined no more (joined or detached and ended). */
void thread_drop_handle(struct thread_info *info);

/* Calls f for each live thread while it returns true. locks: RANK_THREADS during the calls. */
void thread_each(bool (*f)(struct thread *, void *), void *arg);

uint32_t thread_count(void); /* ever */
uint32_t thread_live(void);  /* now, those included that have been created and do not run yet */
/* Reads the name of a thread of this process into out[16]. */
void thread_name(int tid, char out[16]);

/* Tells every live thread something on its next hook. */
void thread_poke_all(uint32_t poke);

/* One more held; NULL when out of memory. The caller fills the entry. */
COLD bool thread_grow_held_slow(struct thread *t);

/* In a forked child only the caller is left. */
void thread_fork_child(struct thread *self);

#endif
