/*
 * verbs.h - The door to detection: what hooks say happened.
 *
 * Target addresses are uintptr_t here; no pthread type is known behind this header but through `struct eyes`.
 * Hot halves are inline: no lock, no call, no write outside the calling thread's own memory. Everything named _slow, and every
 * other function here, shuts the gate itself while it works.
 */
#ifndef SNARL_DETECT_VERBS_H
#define SNARL_DETECT_VERBS_H

#include "core/heap.h"
#include "core/object.h"
#include "core/python.h"
#include "core/thread.h"
#include "detect/order.h"
#include "detect/race.h"
#include "detect/semlock.h"

/* What only the hooks can read out of an object of the program. */
struct eyes {
	/* Kernel id of the exclusive owner; 0 none or not known. For an object of another thread's wait: reads without ever
	 * faulting, by a system call. */
	int (*owner)(enum object_family family, uintptr_t addr);
	/* The same for an object the caller itself is about to use: plain loads. */
	int (*owner_here)(enum object_family family, uintptr_t addr);
	/* Is it held right now, as its own words tell? -1: they do not tell. */
	int (*busy)(enum object_family family, uintptr_t addr);
	/* Does it carry the mark its destroy call left (mutex)? True where destroy leaves none. */
	bool (*marked_destroyed)(enum object_family family, uintptr_t addr);
	enum lock_kind (*kind)(enum object_family family, uintptr_t addr);
	unsigned (*attrs)(enum object_family family, uintptr_t addr);
	size_t (*bytes)(enum object_family family);
	/* Would a wait for it by the caller end at once: free (for reading), posted, or the last one at the barrier? */
	bool (*passable)(enum object_family family, uintptr_t addr, bool read);
};
extern struct eyes eyes;

/* The place of a call in the program. */
struct site {
	uintptr_t pc, cfa;
};

/* What a lock call needs between wanting and having. */
struct taking {
	uint32_t lock, stack, chain;
};

HOT struct order_cache *order_cache_of(struct thread *t) { return (struct order_cache *)(void *)&t->order_; }

HOT void gate_shut(void)
{
	tls.inside += GATE_IN;
	tls.inside_sp = (uintptr_t)__builtin_frame_address(0);
	__asm__ volatile("" ::: "memory");
}

HOT void gate_open(void)
{
	__asm__ volatile("" ::: "memory");
	if (likely(tls.inside >= GATE_IN)) /* not reset meanwhile (hook_thread_slow) */
		tls.inside -= GATE_IN;
}

COLD void happens_before_slow(struct thread *t, uintptr_t key);
COLD void happens_after_slow(struct thread *t, uintptr_t key);

/* Order for the race detector: whatever the thread did so far comes before what those do who ask `after` for the same key. Before
 * the real call that releases; after the real call that acquired. cost while races are off: one load of a warm line. */
HOT void happens_before(struct thread *t, uintptr_t key)
{
	if (unlikely(t->race != NULL))
		happens_before_slow(t, key);
}

HOT void happens_after(struct thread *t, uintptr_t key)
{
	if (unlikely(t->race != NULL))
		happens_after_slow(t, key);
}

/* What was released to a lock is not asked for any more: it is gone, and whoever held it knew it all. Not for objects that threads
 * may be about to leave (barriers, conditions): they would find nothing there. */
COLD void happens_over_slow(uintptr_t addr, size_t bytes);
HOT void happens_over(const struct thread *t, uintptr_t addr, enum object_family family)
{
	if (unlikely(t->race != NULL) && (family == FAMILY_MUTEX || family == FAMILY_RWLOCK || family == FAMILY_SPIN || family == FAMILY_SEM))
		happens_over_slow(addr, family == FAMILY_RWLOCK ? 2 : 1);
}

/* A signal sent comes before its handler. Keys with bit 62 are nobody's addresses; hooks/io.c has the others. */
#define KEY_SIGNAL(nr) (1ul << 62 | 1ul << 61 | (uintptr_t)(unsigned)(nr) << 2)
/* dlopen and dlclose. */
#define KEY_LOADER     (1ul << 62 | 1ul << 61 | 128ul << 2)

/* The chain of the first and only lock held, if it is the one asked for last; else 0. */
HOT uint32_t chain_of_first(const struct thread *t)
{
	const struct held *h = t->held;
	return likely(t->first.lock == h->lock && t->first.stamp == order_stamp(t->seg, h->key)) ? t->first.chain : 0;
}

/* The chain of what is held, or 0: ask lock_want_slow. A first lock's is not looked up before it is asked for. */
HOT uint32_t chain_now(struct thread *t, uint32_t nr_held)
{
	struct held *h = &t->held[nr_held - 1];
	uint32_t chain = h->chain;
	if (likely(chain != CHAIN_UNSET))
		return chain;
	if (unlikely(nr_held > 1))
		return 0;
	chain = order_next(order_cache_of(t), 0, h->lock, h->key, t->seg);
	t->first.lock = h->lock;
	t->first.stamp = chain ? order_stamp(t->seg, h->key) : 0;
	t->first.chain = chain;
	return chain;
}

/* An initialisation or destruction: a write to all of the object. */
COLD void object_written_slow(struct thread *t, uintptr_t addr, size_t bytes, struct site site);
HOT void object_written(struct thread *t, uintptr_t addr, size_t bytes, struct site site)
{
	if (unlikely(t->race != NULL))
		object_written_slow(t, addr, bytes, site);
}

COLD struct taking lock_want_slow(struct thread *t, uintptr_t addr, enum object_family family, unsigned key,
				  struct site site);
/* What chain it is that wants `lock` on top of all that is held; CHAIN_UNSET: nothing is, or nobody knows. */
uint32_t chain_wanted_slow(struct thread *t, uint32_t lock, uint32_t key, uint32_t stack, bool asked);
/* lock_trying, for what nobody knows yet but who and where it is. Not cold for the compiler, to whom that means small. */
void lock_trying_new_slow(struct thread *t, uintptr_t addr, enum object_family family, unsigned key, uint32_t lock, uint32_t stack);
COLD bool lock_gone_slow(struct thread *t, uintptr_t addr);
COLD void thread_stack_objects_slow(struct thread *t, uintptr_t cfa);

/*
 * Before the real call: who is it, where are we, what order is it in?
 * budget: 6 ns for the first lock, one cache line more for a nested one.
 */
HOT struct taking lock_want(struct thread *t, uintptr_t addr, enum object_family family, unsigned key, struct site site)
{
	struct taking k;
	if (unlikely(site.cfa > t->stack_objects))
		thread_stack_objects_slow(t, site.cfa);
	k.stack = stack_capture(&t->stacks, site.pc, site.cfa);
	k.lock = object_find(addr, family);
	k.chain = CHAIN_UNSET;
	if (t->nr_held) {
		k.chain = chain_now(t, t->nr_held);
		if (likely(k.chain))
			k.chain = order_step(order_cache_of(t), k.chain, k.lock, key, t->seg);
	}
	if (unlikely(!k.stack | !k.lock | !k.chain))
		return lock_want_slow(t, addr, family, key, site);
	return k;
}

/* One more held. The entry counts before it is filled, so that a signal handler's locks go above it. */
HOT void held_push(struct thread *t, uint32_t n, uintptr_t addr, enum object_family family, unsigned key, struct taking k)
{
	struct held *h = &t->held[n];
	atomic_store_explicit(&t->nr_held, n + 1, memory_order_relaxed);
	__asm__ volatile("" ::: "memory");
	h->chain = k.chain;
	h->count = 1;
	h->key = (uint8_t)key;
	h->family = (uint8_t)family;
	h->addr = addr;
	h->lock = k.lock;
	h->stack = k.stack;
	if (n) {
		t->top.nr_held = n + 1;
		t->top.chain = k.chain;
	}
}

/* After the real call: it is ours. */
HOT void lock_got(struct thread *t, uintptr_t addr, enum object_family family, unsigned key, struct taking k)
{
	uint32_t n = atomic_load_explicit(&t->nr_held, memory_order_relaxed);
	if (unlikely(n == t->room) && !thread_grow_held_slow(t))
		return;
	held_push(t, n, addr, family, key, k);
}

/*
 * The two above in one, before a real call that does not block: held already while it is being tried, so that nothing but the
 * thread need be kept across the call. lock_refused takes it back.
 * budget: 4 ns for the first lock, one cache line more for a nested one.
 */
HOT void lock_trying(struct thread *t, uintptr_t addr, enum object_family family, unsigned key, struct site site)
{
	lock_got(t, addr, family, key, lock_want(t, addr, family, key, site));
}

/*
 * The same in pieces, for where everything is known already: no call at all, and each piece so small that it need not keep
 * anything. What a piece cannot do is left to the next one, entered by a jump.
 *
 * Who and where: false when one of the two is not known, or there is no room for one more.
 */
HOT bool lock_known(const struct thread *t, uintptr_t addr, enum object_family family, struct site site, struct taking *k)
{
	k->stack = stack_capture(&t->stacks, site.pc, site.cfa);
	if (unlikely(!k->stack || atomic_load_explicit(&t->nr_held, memory_order_relaxed) == t->room || site.cfa > t->stack_objects || t->race))
		return false;
	k->lock = object_find(addr, family);
	return likely(k->lock);
}

COLD struct taking lock_refused_slow(struct thread *t, uintptr_t addr);

/* Before the real unlock. False: this thread does not hold it. */
HOT bool lock_gone(struct thread *t, uintptr_t addr)
{
	uint32_t n = atomic_load_explicit(&t->nr_held, memory_order_relaxed);
	struct held *h = &t->held[n - 1];
	if (likely(n && h->addr == addr && h->count == 1)) {
		atomic_store_explicit(&t->nr_held, n - 1, memory_order_relaxed);
		return true;
	}
	return lock_gone_slow(t, addr);
}

/* A lock taken with nothing held is not looked up in the order graph; this one is worth it (see order_on_question). */
COLD void lock_note_first_slow(struct thread *t, struct taking k, unsigned key);

/* This thread's entry for the object, or NULL. */
struct held *lock_held(struct thread *t, uintptr_t addr);
/* Is it held by any live thread in our records? owner gets it. Slow: looks at all threads. */
bool lock_held_by_any(uint32_t lock, struct thread **owner);

/* The stack of a call, cached. */
uint32_t site_stack(struct thread *t, struct site site);
/* The caller alone, for 50 ns, where a walk would cost too much. */
uint32_t site_caller(struct site site);
/* The object at addr, registered if need be. init: by an initialisation call. */
uint32_t object_here(struct thread *t, uintptr_t addr, enum object_family family, struct site site, bool init);

/* ---- waiting ---------------------------------------------------------------------------------------------- */

struct waiting {
	enum wait_kind kind;
	unsigned key;
	bool timed;
	uint32_t lock, target, mutex, stack;
	uintptr_t addr, mutex_addr;
	const char *call;
};

/* Publishes the wait and looks for a ring; may end the process (deadlock=exit). Returns with the wait published. */
void wait_begin(struct thread *t, const struct waiting *w);
/* Publishes only; wait_look looks. Between them the caller tries once more. */
void wait_publish(struct thread *t, const struct waiting *w);
void wait_look(struct thread *t);
/* Published, and about to block without a look. */
void wait_seen(struct thread *t);
/* It still spins. */
void wait_beat(struct thread *t);
/* It has waited for a while: look again, and at what no hook could see. */
void wait_look_again(struct thread *t);
void wait_end(struct thread *t);
/* Somebody signalled, posted or released it: its sleepers may be on their way. */
void object_woken(uintptr_t addr, enum object_family family);

/* ---- objects ------------------------------------------------------------------------------------------------ */

void object_init_called(struct thread *t, uintptr_t addr, enum object_family family, struct site site, const char *call);
/* Before the real destroy call. */
void object_destroy_called(struct thread *t, uintptr_t addr, enum object_family family, struct site site,
			   const char *call);
/* The destroy call failed: it lives. */
void object_destroy_failed(struct thread *t, uintptr_t addr, enum object_family family, struct site site);
/* Says so when what is used here was destroyed. Registers nothing: for calls that signal handlers may make. */
void object_use_dead(struct thread *t, uintptr_t addr, enum object_family family, struct site site, const char *call);
/* The process ends: what is left over. t: the thread that ends it. */
void leftovers(struct thread *t);
/* Memory is about to be freed or unmapped. site.pc 0: not worth a finding. */
void memory_gone(struct thread *t, uintptr_t addr, size_t bytes, struct site site, const char *call);
void memory_gone_slow(struct thread *t, uintptr_t addr, size_t bytes, struct site site, const char *call);

/* A condition wait with `mutex` begins; forgets that the mutex is held and records the order in which it will be taken
 * again. restore gets what cond_wait_over needs. */
struct cond_pause {
	struct held held;
	struct taking again;
	bool was_held;
	uint32_t cond;
};
void cond_wait_begin(struct thread *t, uintptr_t cond, uintptr_t mutex, bool timed, struct site site, const char *call,
		     struct cond_pause *restore);
void cond_wait_over(struct thread *t, uintptr_t mutex, struct cond_pause *restore, bool mutex_is_held);

/* ---- threads ------------------------------------------------------------------------------------------------ */

/* In the creator, before the call. NULL: out of memory, or snarl is off. */
struct thread_info *thread_creating(struct thread *t, struct site site, bool detached);
void thread_created(struct thread *t, struct thread_info *info, uintptr_t handle, bool ok);
/* In the ending thread, last; the gate is shut and stays so. over: nothing of the program's runs in it any more. */
void thread_ending(struct thread *t, bool over);
void thread_joined(struct thread *t, struct thread_info *child);
void thread_detached(struct thread_info *child);

/* ---- misuse ------------------------------------------------------------------------------------------------- */

struct misuse {
	enum kind kind;
	int grade; /* enum grade, -1: the kind's own */
	const char *call;
	const char *message; /* one plain sentence; ids of threads and locks are added by the reader */
	const char *error;   /* name of the errno value returned, NULL none */
	uint32_t lock, lock2;
	uint32_t other;       /* thread id */
	uint32_t other_stack;          /* where it took what it holds */
	const struct wait *other_wait; /* or what it waits in */
	uint32_t stack;       /* 0: taken from site */
};
void misuse_found(struct thread *t, const struct misuse *m, struct site site);

/* The calling thread is about to wait for what it holds itself: it will never come back. May end the process. */
void hang_on_itself(struct thread *t, uintptr_t addr, uint32_t lock, unsigned key, struct site site, const char *call,
		    enum kind kind);

/* An unlock that this thread does not hold; owner_tid as the object says. The real call has not been made yet. */
COLD void unlock_without_lock_slow(struct thread *t, uintptr_t addr, enum object_family family, struct site site, const char *call);

/* Something keeps the process from standing still for good (see stall in detect/waitfor.h). */
enum outside { OUTSIDE_HANDLER = 1, OUTSIDE_TIMER = 2, OUTSIDE_SHARED = 4, OUTSIDE_INTERRUPT = 8 /* CPython's own for Ctrl-C */ };
void outside_seen(enum outside what);
/* Signals (bit number - 1) whose handler is snarl's own: nobody else's doing. */
extern _Atomic uint64_t outside_own_handlers;

#endif
