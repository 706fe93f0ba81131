/*
 * race.h - Data races: who accessed which bytes last, and what is ordered before what.
 *
 * Happens-before by vector clocks over reusable thread slots (clock.c, sync.c); the last accesses of each 8-byte granule in a
 * shadow (shadow.c); the rule of FastTrack, byte exact (race.c). Whatever is lost here for want of room loses races; nothing
 * that is kept is ever untrue, so nothing is invented.
 *
 * A granule keeps three accesses of any kind (more reads: readers.c), 32 bytes in all, updated by plain stores of whole words: threads that meet there
 * may lose a record of each other's, but a record is one word, so it is never mixed. One record may stand for several accesses of
 * one instruction side by side. The id of its stack is split over that
 * word and one that the three share; five bits of check tell when the halves do not belong together (then the stack is unknown).
 */
#ifndef SNARL_DETECT_RACE_H
#define SNARL_DETECT_RACE_H

#include "detect/granule.h"
#include <stddef.h>

struct thread;

/* ---- what emitted code looks at ------------------------------------------------------------------------------------- */

struct race_tls {
	uint64_t write_tag; /* (tag << 1 | 1) in all bytes; ~0 at first: equal to no plane byte ever, so an unknown thread misses */
	uint64_t save[8];   /* scratch of emitted code; RACE_NO_PLANE: a check could not be made */
};
#define RACE_NO_PLANE 7
extern __thread struct race_tls race_tls __attribute__((tls_model("initial-exec")));
#define RACE_TAGS 126u /* 1..126; a plane byte is tag << 1 | wrote, 0 never touched */

extern bool race_on; /* set once at start, before there is a second thread */

/* ---- a thread's clock ------------------------------------------------------------------------------------------------- */

#define RACE_SLOTS    4096u /* slot 0 is nobody's: it marks synchronisation locations */
#define RACE_CONTEXTS 2048u
#define RACE_SETS     1024u
#define RACE_NO_SET   UINT32_MAX /* locks held: not looked up since they changed */

#define POKED_ALL  ((uintptr_t)1)
#define POKED_LENT ((uintptr_t)2)
#define POKED_STEP ((uintptr_t)4)
/* No accesses now; and the granule after it; never by access_fast (races=hybrid). */
enum { PENDING_IGNORE = 1, PENDING_NEXT = 2, PENDING_SLOW = 4 };

struct race_context {
	uint64_t key; /* set << 32 | stack */
	uint32_t id, unused;
};

struct race_thread {
	uint64_t epoch;    /* clock << 32 | slot << 20: a record of this thread's, but for mask, kind and context */
	uintptr_t pending; /* a granule acquired from before its value was read: once more at the next event; PENDING_*; 0 none */
	/* Bytes this thread may be reading just now, by a check that still hit, have become a synchronisation location: acquire from
	 * there at the next event. POKED_ALL: from everybody. POKED_STEP: what it has done in this epoch was
	 * taken for released, so what it does from now on belongs to another one. POKED_LENT: the same, and as what it has read has
	 * been forgotten with that, it may be reading just now what tells it to go on: acquire from everybody. Written by others. */
	_Atomic uintptr_t poked;
	_Atomic uintptr_t busy; /* granule number it is recording an access of, until the bytes are tagged; 0 none. Read by others. */
	uint32_t birth;    /* clock of the first epoch; earlier ones of this slot were another thread's */
	uint32_t slot;
	uint32_t set;   /* interned set of the locks held, 0 none, RACE_NO_SET not known */
	bool nonempty;  /* something to tell since the last release: an access, or news from others */
	uint32_t ignore_depth, thread;
	uint64_t random;
	uint64_t *tags; /* its race_tls.write_tag, NULL none: others may make it one that nothing is tagged with */
	uint32_t tag;
	uint32_t sets[RACE_SETS]; /* last ones used, by hash */
	_Alignas(64) struct race_context context[RACE_CONTEXTS];
	uint32_t vc[RACE_SLOTS]; /* vc[slot]: own clock */
};

HOT uint32_t race_clock(const struct race_thread *rt) { return (uint32_t)(rt->epoch >> 32); }

/* ---- shadow --------------------------------------------------------------------------------------------------------- */

/* The part of a context that the record itself keeps, with the check of the other part. */
HOT uint64_t context_bits(uint32_t context)
{
	uint32_t low = context & (uint32_t)CONTEXT_LOW;
	return (uint64_t)((low ^ low >> 5 ^ low >> 10 ^ low >> 15 ^ low >> 20) & 31) << 5 | context >> 21;
}

/* True: it was `had` until now. Locked: whoever looks at the other records after it misses none that was there before. */
HOT bool granule_swap(struct granule *g, unsigned i, uint64_t had, uint64_t record)
{
	return atomic_compare_exchange_strong(&g->record[i], &had, record);
}

HOT bool granule_put(struct granule *g, unsigned i, uint64_t had, uint64_t record, uint32_t context)
{
	uint64_t all = atomic_load_explicit(&g->contexts, memory_order_relaxed);
	uint64_t now = (all & ~(CONTEXT_LOW << 21 * i)) | (uint64_t)(context & CONTEXT_LOW) << 21 * i;
	if (now != all)
		atomic_store_explicit(&g->contexts, now, memory_order_relaxed);
	return granule_swap(g, i, had, record | context_bits(context));
}

/* It is there or right behind. Stacks of one stretch of code have ids in a row, so that those under one lock lie side by side. */
HOT uint32_t race_context_place(const struct race_thread *rt, uint32_t stack) { return (rt->set * 16 + stack) % RACE_CONTEXTS & ~1u; }

HOT bool granule_any(const struct granule *g)
{
	return atomic_load_explicit(&g->record[0], memory_order_relaxed) | atomic_load_explicit(&g->record[1], memory_order_relaxed) |
	       atomic_load_explicit(&g->record[2], memory_order_relaxed);
}

/* The context of these locks and this stack; false: ask the slow half. */
HOT bool race_context_known(const struct race_thread *rt, uint32_t stack, uint32_t *context)
{
	*context = stack;
	if (likely(rt->set == 0))
		return stack <= RACE_MAX_STACK;
	uint64_t key = (uint64_t)rt->set << 32 | stack;
	uint32_t i = race_context_place(rt, stack);
	if (likely(rt->context[i].key == key)) {
		*context = rt->context[i].id;
		return true;
	}
	*context = rt->context[i ^ 1].id;
	return rt->context[i ^ 1].key == key;
}

HOT uint32_t slot_of(uint64_t record) { return (uint32_t)(record >> 20) & 0xfff; }
/* Records of slot 0 are no accesses: which bytes are a synchronisation location, or will be one once somebody stores there; where
 * more reads of which bytes are. */
HOT bool is_sync(uint64_t r) { return r >> 32 == RECORD_SYNC >> 32 && !slot_of(r) && !(r & RECORD_WRITE); }
HOT bool is_latent(uint64_t r) { return r >> 32 == RECORD_LATENT >> 32 && !slot_of(r) && !(r & RECORD_WRITE); }
HOT bool is_many(uint64_t r) { return !slot_of(r) && (r & RECORD_WRITE); }

#define READERS     32u
#define READERS_MAX 16384u

/* Reads of one granule, by the readers' slots. */
struct readers {
	_Atomic uint64_t record[READERS];
	_Atomic uint32_t context[READERS];
};
extern struct readers *readers_pool;
extern struct granule *_Atomic *readers_of; /* whose each is */
extern _Atomic bool readers_full;

/* `many` stands for reads of g. True: the thread had read these bytes, and has once more. */
HOT bool readers_again(const struct granule *g, unsigned i, uint64_t many, uint64_t mine, uint32_t context)
{
	uint32_t at = (uint32_t)(many >> 32), k = slot_of(mine) % READERS;
	_Atomic uint64_t *place = &readers_pool[at].record[k];
	uint64_t had = atomic_load_explicit(place, memory_order_relaxed);
	if (mine & RECORD_MASK & ~many || slot_of(had) != slot_of(mine) || had & RECORD_MASK & ~mine)
		return false;
	atomic_store_explicit(&readers_pool[at].context[k], context, memory_order_relaxed);
	atomic_exchange(place, mine);
	/* Still this granule's? Else it was a read of another's. And who writes these bytes takes them away first, then looks here. */
	uint64_t now = atomic_load_explicit(&g->record[i], memory_order_relaxed);
	if (likely(now >> 32 == at && !(mine & RECORD_MASK & ~now) && atomic_load_explicit(&readers_of[at], memory_order_relaxed) == g))
		return true;
	atomic_store_explicit(place, 0, memory_order_relaxed);
	return false;
}

/* Does what it stands for come before all this thread does from now on? */
HOT bool knows(const struct race_thread *rt, uint64_t r) { return rt->vc[slot_of(r)] >= r >> 32; }

/* Which to give up for a new one: reads before writes, what is in order before what is not, others' before one's own, any of those
 * left; never a synchronisation location. */
HOT unsigned granule_victim(const uint64_t *r, const struct race_thread *rt)
{
	unsigned best = GRANULE_RECORDS, score = 0;
	for (unsigned i = 0; i < GRANULE_RECORDS; i++) {
		if (r[i] && !slot_of(r[i]))
			continue;
		unsigned s = 1 + (r[i] & RECORD_WRITE ? 0 : 8) + (slot_of(r[i]) != rt->slot ? 2 : 0) + (knows(rt, r[i]) ? 4 : 0);
		if (s > score || (s == score && (race_clock(rt) + i) & 1)) {
			score = s;
			best = i;
		}
	}
	return best;
}

/*
 * Another thread's access that was recorded while this one was (r: the others as they were before), and is in no order with it: one
 * of the two at least is told so. Of a flag that both come to for the first time, neither would hear otherwise.
 */
HOT bool granule_met(const struct race_thread *rt, struct granule *g, const uint64_t *r, unsigned mine, uint64_t mask, bool write)
{
	bool met = false;
	for (unsigned i = 0; i < GRANULE_RECORDS; i++) {
		uint64_t now = atomic_load_explicit(&g->record[i], memory_order_relaxed);
		if (unlikely(i != mine && now != r[i] && now & mask) && (!slot_of(now) || (!knows(rt, now) && (write || now & RECORD_WRITE))))
			met = true;
	}
	return met;
}

/* Pairs of an access and one nobody has seen (RECORD_GUESS) that are known to be nothing to stop at, by their contexts. */
extern _Atomic uint64_t race_guesses[1024];
HOT uint64_t guess_key(uint32_t context, uint64_t contexts, unsigned i, uint64_t r)
{
	return (uint64_t)context << 32 | (contexts >> 21 * i & CONTEXT_LOW) << 10 | (r & RECORD_CONTEXT);
}
HOT _Atomic uint64_t *guess_place(uint64_t key) { return &race_guesses[(key * 0x9e3779b97f4a7c15ull) >> 54]; }
HOT bool guess_known(uint32_t context, uint64_t contexts, unsigned i, uint64_t r)
{
	uint64_t key = guess_key(context, contexts, i, r);
	return r & RECORD_GUESS && atomic_load_explicit(guess_place(key), memory_order_relaxed) == key;
}

HOT bool is_told(const uint64_t *told, uint64_t r) { return told && (r == told[0] || r == told[1] || r == told[2]); }

/*
 * One granule, whatever was there before in order. True: recorded. False: a race, a synchronisation location among the bytes, or no
 * room; or another thread came in between. What it found is what it replaces: no record is ever lost unseen.
 * told: records with which it races, known by now; NULL none. Byte masks of one epoch, kind and context go into one record: a loop over bytes leaves one, not eight.
 * Inline, no call, general registers only, no lock. budget: 4 ns beside the cache misses.
 */
HOT bool granule_access(struct race_thread *rt, struct granule *g, uint64_t mask, bool write, uint32_t context, const uint64_t *told)
{
	uint64_t mine = rt->epoch | (write ? RECORD_WRITE : 0), with = mine | context_bits(context);
	uint64_t contexts = atomic_load_explicit(&g->contexts, memory_order_relaxed);
	uint64_t r[GRANULE_RECORDS];
	unsigned put = GRANULE_RECORDS, empty = GRANULE_RECORDS, same = GRANULE_RECORDS;
	bool covered = false;
	for (unsigned i = GRANULE_RECORDS; i-- > 0;) {
		r[i] = atomic_load_explicit(&g->record[i], memory_order_relaxed);
		if (!r[i]) {
			empty = i;
		} else if (!((r[i] ^ with) & ~RECORD_MASK) && (contexts >> 21 * i & CONTEXT_LOW) == (context & CONTEXT_LOW)) {
			covered = !(mask & ~r[i]);
			same = i;
		} else if (r[i] & mask) {
			if (unlikely(!slot_of(r[i]))) {
				if (!write && is_latent(r[i]))
					continue;
				if (write || !is_many(r[i]) || !readers_again(g, i, r[i], with | mask, context))
					return false;
				rt->nonempty = true;
				return true;
			}
			if (unlikely(!knows(rt, r[i])) && !((write || r[i] & RECORD_WRITE) &&
							    (is_told(told, r[i]) || guess_known(context, contexts, i, r[i])))) { /* in no order */
				if (write || r[i] & RECORD_WRITE)
					return false;
			} else if (!write && r[i] & RECORD_WRITE) {
				if ((r[i] ^ mine) >> 20 == 0 && !(mask & ~r[i]) && !(r[i] & RECORD_GUESS))
					return true; /* my write in this epoch covers it */
			} else if (r[i] & RECORD_MASK & ~mask) { /* this one supersedes part of it, */
				if (!granule_swap(g, i, r[i], r[i] & ~mask))
					return false;
				r[i] &= ~mask;
			} else { /* or all */
				if (put < GRANULE_RECORDS) {
					if (!granule_swap(g, put, r[put], 0))
						return false;
					r[put] = 0;
				}
				put = i;
			}
		}
	}
	if (covered)
		return true;
	if (!(r[0] | r[1] | r[2])) {
		uint8_t is = atomic_load_explicit(state_of(g), memory_order_relaxed);
		if (unlikely(is != GRANULE_USED)) {
			if (is || shadow_counted)
				return false;
			granule_use(g);
		}
	}
	rt->nonempty = true;
	if (same < GRANULE_RECORDS) {
		if (put < GRANULE_RECORDS) {
			if (!granule_swap(g, put, r[put], 0))
				return false;
			r[put] = 0;
		}
		return granule_swap(g, same, r[same], r[same] | mask) && !granule_met(rt, g, r, same, mask, write);
	}
	/* Two that come here at once do not take the same one. */
	if (put == GRANULE_RECORDS)
		put = r[rt->slot % GRANULE_RECORDS] ? empty : rt->slot % GRANULE_RECORDS;
	if (unlikely(put == GRANULE_RECORDS)) {
		put = granule_victim(r, rt);
		if (put == GRANULE_RECORDS)
			return false;
		/* One in no order with this, of which nobody else would ever hear: it is kept elsewhere, or its bytes are order from now on.
		 * Where other bytes are, more is taken for order than there is. */
		bool order = is_sync(r[0]) || is_sync(r[1]) || is_sync(r[2]);
		if (r[put] & RECORD_WRITE ? r[put] & RECORD_MASK & ~mask && (order ? slot_of(r[put]) != rt->slot : !knows(rt, r[put]))
					  : !knows(rt, r[put]) && !told && !atomic_load_explicit(&readers_full, memory_order_relaxed))
			return false;
		/* Of this epoch's writes here some are known to have been, but no longer where. */
		if (write && !((r[put] ^ mine) & ~(RECORD_MASK | RECORD_CONTEXT))) {
			mine |= r[put] & RECORD_MASK;
			context = 0;
		}
	}
	return granule_put(g, put, r[put], mine | mask, context) && !granule_met(rt, g, r, put, mask, write);
}

HOT uint64_t granule_mask(uintptr_t addr, unsigned bytes) { return (uint64_t)(((1u << bytes) - 1) << (addr & 7)) << RECORD_SHIFT; }

/*
 * Around recording an access and tagging its bytes: who makes a synchronisation location of them waits for it, lest record or tag
 * come after all others were taken back.
 */
HOT void race_busy(struct race_thread *rt, uintptr_t addr)
{
	atomic_store_explicit(&rt->busy, addr >> 3, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}
HOT void race_settled(struct race_thread *rt)
{
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&rt->busy, 0, memory_order_relaxed);
}

/*
 * An access that is in order with all there was, within one granule. True: recorded, tag it. False: nothing is known yet, call
 * access_seen. Inline, no call, general registers only, no lock: may run in a leaf that preserves every register.
 */
HOT bool access_fast(struct race_thread *rt, uintptr_t addr, unsigned bytes, bool write, uint32_t stack)
{
	uint32_t context;
	struct granule *g = shadow_granule(addr);
	if (unlikely((addr & 7) + bytes > 8 || !g || rt->pending | atomic_load_explicit(&rt->poked, memory_order_relaxed) ||
		     !race_context_known(rt, stack, &context)))
		return false;
	return granule_access(rt, g, granule_mask(addr, bytes), write, context, NULL);
}

/* With races=hybrid, where access_fast does nothing, in its place. Calls nothing but what is as careful as it is. */
extern bool race_hybrid; /* set from the options before races begin, and never again */
bool access_fast_hybrid(struct thread *t, uintptr_t addr, unsigned bytes, bool write, uint32_t stack);

/* ---- the rule ------------------------------------------------------------------------------------------------------- */

struct race_engine {
	void (*forget)(struct thread *, uintptr_t addr, size_t bytes); /* zeroes this thread's plane there */
	void (*forget_all)(uintptr_t addr, size_t bytes);              /* zeroes it in all planes */
	/* Zeroes this thread's plane for some of the 64 granules from addr on: granule_nth says which. */
	void (*forget_granules)(struct thread *, uintptr_t addr, uint64_t which);
	void (*thread_started)(struct thread *); /* in it, before its first tag: gives it a plane */
	void (*thread_ended)(struct thread *);   /* in it, after its last */
	/* Does the load at read_pc[0] decide a branch, and is the store nothing else? read_pc[1..nr): where its callers go on.
	 * nr or write_pc 0: where it is has been lost, and it is not looked at. Slow; asked once a race. */
	bool (*flag)(const uintptr_t *read_pc, unsigned nr, uintptr_t write_pc);
	/* Bytes that the instruction there accesses, 0 not known. Slow; asked once a stack. */
	unsigned (*size)(uintptr_t pc);
	void (*code_mapped)(uintptr_t addr, size_t bytes, uint64_t offset);
};

struct race_side {
	uint32_t thread; /* id */
	uint32_t stack, set;
	uintptr_t addr;
	uint8_t bytes;
	bool write;
};

/* Two accesses of the same bytes in no order: `now` is being made, `before` was recorded. flag: it looks like a word by which
 * one tells the other to go on, and is taken for order from now on. */
struct race_report {
	struct race_side now, before;
	bool flag;
	bool chance; /* this run ordered them, by the order in which a lock went round: races=hybrid */
};

/*
 * Turns it on. What is found goes to found (gate shut; several threads at once), NULL: into the journal. engine may be NULL, its
 * members too. False: out of memory.
 */
bool race_start(const struct race_engine *engine, void (*found)(struct thread *, const struct race_report *));
/* The same once the process runs, if races are wanted, and for the calling thread as well. False: off, or it was too late, because
 * other threads have been running unwatched. Gate shut. */
bool race_begin(struct thread *t, const struct race_engine *engine);
extern bool race_wanted; /* set by the runtime from the options */
/* Out of memory or clocks: no more races are looked for; said once. Called from anywhere. */
void race_stop(const char *why);
extern const char *_Atomic race_stopped;

/*
 * The whole rule; any length. Call with the gate shut. True: recorded, tag the bytes; false: they must not be tagged
 * (a synchronisation location is among them, or races are off).
 */
bool access_seen(struct thread *t, uintptr_t addr, size_t bytes, bool write, uint32_t stack);

/*
 * A machine-code atomic is about to be executed: addr becomes a synchronisation location, its bytes are forgotten in all planes.
 * Releases at once; acquires now and, because the value is read later than now, once more at the thread's next event.
 * Gate shut. Never tag its bytes.
 */
void access_sync(struct thread *t, uintptr_t addr, unsigned bytes, bool acquires, uint32_t stack);

/* The first half of it alone: from now on plain accesses there order, and do not race. */
void race_sync_mark(struct thread *t, uintptr_t addr, unsigned bytes);
/* An atomic, as far as is known: bytes there are to order from the first store on. For static data; before there is a second thread. */
void race_atomic(uintptr_t addr, size_t bytes);
/* Races there are meant: never reported from now on. */
void race_benign(uintptr_t addr, size_t bytes);
/* The calling thread's accesses do not count until as many ends as begins; on either side of a pair that is otherwise a race. */
void race_ignore(bool begin);
bool race_is_benign(uintptr_t addr);

/* One of the following is about to be called: what it will wait for comes while the stack is looked at. */
HOT void mem_soon(uintptr_t addr)
{
	const struct granule *g = shadow_granule(addr);
	if (likely(g != NULL)) {
		__builtin_prefetch(g, 1);
		__builtin_prefetch((const void *)state_of(g), 1);
	}
}

/* Memory is the program's from now on (after malloc, mmap): starts clean. Gate shut. */
void mem_fresh(struct thread *t, uintptr_t addr, size_t bytes, uint32_t stack);
/* The same where this thread gave back the block that began there last: its plane holds no more of it than has been touched since.
 * (Of memory that others gave back and that was joined to that, old tags may be left: one in RACE_TAGS is the present one, and hides
 * a first access.) */
void mem_back(struct thread *t, uintptr_t addr, size_t bytes);
/* It is about to be given back (before free, munmap): a write to all of it, then forgotten but for the first bytes of a block. Gate shut. */
void mem_gone(struct thread *t, uintptr_t addr, size_t bytes, uint32_t stack);
/* Part of a file, from this offset on, was mapped readable and to be run. The gate is shut. */
void mem_code(uintptr_t addr, size_t bytes, uint64_t offset);

/* ---- order ---------------------------------------------------------------------------------------------------------- */

/* Release to, acquire from whatever is at this address (or has this key). Gate shut. cost: 15 to 40 ns and one step for each thread slot. */
void sync_send(struct thread *t, uintptr_t key);
void sync_recv(struct thread *t, uintptr_t key);
/* Nothing is released there any more. */
void sync_drop(uintptr_t key);

/* In the creator, before the thread exists; in the new thread, before its first access; in the ending one, after its last. Gate shut. */
void race_thread_created(struct thread *t, uint32_t child);
void race_thread_unborn(uint32_t child);
/* Sets t->race; leaves it NULL when out of memory. */
void race_thread_started(struct thread *t);
void race_thread_ended(struct thread *t);
void race_thread_joined(struct thread *t, uint32_t child);
/* A forked child: nothing has happened yet, and only its one thread is left. */
void race_fork_child(struct thread *self);

/* Sets the set to what is held now; false: too many, or not seen before. Nothing of ours locked, general registers only. cost: 4 ns. */
bool race_set_known(struct thread *t);

/* The locks held have changed. */
HOT void race_set_changed(struct race_thread *rt) { rt->set = RACE_NO_SET; }

/* The thread's records carry another tag from now on. */
void race_tag_step(struct race_thread *rt);

#endif
