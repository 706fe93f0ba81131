/* misuse.c - Calls that break the rules of their object: each its own kind, the call itself untouched. */
#include "core/depot.h"
#include "detect/emit.h"
#include "detect/verbs.h"
#include "detect/waitfor.h"

void misuse_found(struct thread *t, const struct misuse *m, struct site site)
{
	uint32_t stack = m->stack ? m->stack : site.pc ? site_stack(t, site) : 0;
	uint32_t locks[2] = { m->lock, m->lock2 };
	const struct order_hold other_hold = { m->lock, m->other_stack, 0 };
	struct finding_thread parts[2] = {
		{ .thread = t->id, .role = "actor", .stack = stack, .call = m->call },
		{ .thread = m->other, .role = "other", .holds = &other_hold, .nr_holds = m->other_stack != 0 },
	};
	if (m->other_wait)
		parts[1] = (struct finding_thread){ .thread = m->other,
						    .role = "other",
						    .wants = true,
						    .want_lock = m->lock,
						    .want_key = m->other_wait->key,
						    .want_stack = m->other_wait->stack,
						    .call = m->other_wait->call };
	struct finding f = {
		.kind = m->kind,
		.grade = m->grade,
		.message = m->message,
		.call = m->call,
		.error = m->error,
		.thread = parts,
		.nr_threads = m->other ? 2 : 1,
		.lock = locks,
		.nr_locks = m->lock2 ? 2 : m->lock != 0,
	};
	gate_shut();
	emit_finding(&f);
	gate_open();
}

/* Who waits on it now? */
struct waiter_of {
	uint32_t lock;
	struct thread *found;
	struct wait wait;
	uint32_t seq;
};

static bool waits_on(struct thread *u, void *arg)
{
	struct waiter_of *w = arg;
	uint32_t seq = atomic_load(&u->wait.seq);
	if (seq & 1 && u->wait.lock == w->lock) {
		w->wait = u->wait;
		w->seq = seq;
		w->found = u;
	}
	return !w->found;
}

/* Its wait is copied to *wait, and not one that it has left by a jump. */
static struct thread *waiter_of(uint32_t lock, struct wait *wait)
{
	struct waiter_of w = { .lock = lock };
	if (atomic_load(&object_by_id(lock)->waiters))
		thread_each(waits_on, &w);
	if (!w.found)
		return NULL;
	*wait = w.wait;
	if (waitfor_blind)
		return atomic_load(&w.found->wait.seq) == w.seq ? w.found : NULL;
	return waitfor_lives(w.found, &w.wait, w.seq, 20000000) ? w.found : NULL;
}

/* Who holds it, by our records; a mutex must agree, because somebody else may have unlocked it. */
static struct thread *holder_of(uint32_t lock, uintptr_t addr, uint32_t *stack)
{
	struct thread *u = NULL;
	enum object_family family = (enum object_family)(lock >> OBJECT_FAMILY_SHIFT);
	*stack = 0;
	if (!eyes.busy(family, addr) || !lock_held_by_any(lock, &u))
		return NULL;
	uint32_t key;
	return waitfor_owns(u, lock, addr, stack, &key) ? u : NULL;
}

void object_init_called(struct thread *t, uintptr_t addr, enum object_family family, struct site site, const char *call)
{
	uint32_t old = object_at(addr), stack;
	struct held *mine = old ? lock_held(t, addr) : NULL;
	struct wait wait;
	object_written(t, addr, eyes.bytes(family), site);
	gate_shut();
	if (old && old >> OBJECT_FAMILY_SHIFT == FAMILY_SEM)
		semlock_gone(old);
	/* Taken before the fork and made anew after it, in the child: what libraries do in pthread_atfork. */
	if (mine && family == FAMILY_MUTEX && eyes.owner_here(family, addr) != t->tid) {
		mine->count = 1;
		lock_gone_slow(t, addr);
	}
	if (old && family == FAMILY_BARRIER && old >> OBJECT_FAMILY_SHIFT == FAMILY_BARRIER && !waiter_of(old, &wait) &&
	    object_by_id(old)->init_seen && object_by_id(old)->place == PLACE_STATIC)
		/* Only where no allocator of the program's own can have handed the memory out anew. */
		misuse_found(t, &(struct misuse){ .kind = KIND_BARRIER_MISUSE, .grade = -1, .call = call, .lock = old,
						  .message = "it is initialised again without having been destroyed" },
			     site);
	else if (old) {
		struct thread *holder = old >> OBJECT_FAMILY_SHIFT == (uint32_t)family && family != FAMILY_SEM ? holder_of(old, addr, &stack) : NULL;
		struct thread *waiter = holder ? NULL : waiter_of(old, &wait);
		if (holder)
			misuse_found(t, &(struct misuse){ .kind = KIND_REINIT_LIVE, .grade = -1, .call = call, .lock = old,
							  .other = holder->id, .other_stack = stack,
							  .message = "it is initialised again while it is held" },
				     site);
		else if (waiter)
			misuse_found(t, &(struct misuse){ .kind = KIND_REINIT_LIVE, .grade = -1, .call = call, .lock = old,
							  .other = waiter->id, .other_wait = &wait,
							  .message = "it is initialised again while a thread waits on it" },
				     site);
	}
	gate_open();
}

void object_destroy_called(struct thread *t, uintptr_t addr, enum object_family family, struct site site, const char *call)
{
	uint32_t id = object_find(addr, family), stack;
	if (!id)
		id = object_here(t, addr, family, site, false);
	object_written(t, addr, eyes.bytes(family), site);
	gate_shut();
	struct wait wait;
	struct thread *waiter = waiter_of(id, &wait), *holder = NULL;
	bool lockable = family == FAMILY_MUTEX || family == FAMILY_RWLOCK || family == FAMILY_SPIN;
	if (lockable)
		holder = holder_of(id, addr, &stack);
	if (holder)
		misuse_found(t, &(struct misuse){ .kind = KIND_DESTROY_HELD, .grade = -1, .call = call, .lock = id,
						  .other = holder->id, .other_stack = stack,
						  .message = "it is destroyed while it is held" },
			     site);
	else if (waiter && (lockable || object_by_id(id)->wakes == wait.wakes))
		misuse_found(t, &(struct misuse){ .kind = KIND_DESTROY_WAITED, .grade = -1, .call = call, .lock = id,
						  .other = waiter->id, .other_wait = &wait,
						  .message = "it is destroyed while a thread waits on it" },
			     site);
	else
		happens_over(t, addr, family);
	semlock_gone(id);
	object_destroy(id);
	order_forget(id);
	gate_open();
}

void object_destroy_failed(struct thread *t, uintptr_t addr, enum object_family family, struct site site)
{
	object_here(t, addr, family, site, true);
}

struct going {
	struct thread *t;
	struct site site;
	const char *call;
	struct order_gone gone;
};

static void one_gone(uint32_t id, uintptr_t addr, void *arg)
{
	struct going *g = arg;
	uint32_t stack;
	enum object_family family = (enum object_family)(id >> OBJECT_FAMILY_SHIFT);
	bool lockable = family == FAMILY_MUTEX || family == FAMILY_RWLOCK || family == FAMILY_SPIN;
	struct thread *holder = lockable && g->site.pc ? holder_of(id, addr, &stack) : NULL;
	if (holder)
		misuse_found(g->t, &(struct misuse){ .kind = KIND_FREE_HELD, .grade = -1, .call = g->call, .lock = id,
						     .other = holder->id, .other_stack = stack,
						     .message = "the memory it lies in is given back while it is held" },
			     g->site);
	else
		happens_over(g->t, addr, family);
	semlock_gone(id);
	order_gone_add(&g->gone, id);
}

void memory_gone_slow(struct thread *t, uintptr_t addr, size_t bytes, struct site site, const char *call)
{
	struct going g = { .t = t, .site = site, .call = call };
	object_forget_range(addr, bytes, one_gone, &g);
	order_gone(&g.gone);
}

void unlock_without_lock_slow(struct thread *t, uintptr_t addr, enum object_family family, struct site site, const char *call)
{
	int owner = eyes.owner_here(family, addr);
	if (owner == t->tid)
		return; /* taken where we did not look: before attach, in a signal handler inside snarl */
	uint32_t lock = object_here(t, addr, family, site, false), stack = 0;
	struct thread *holder = owner ? thread_by_tid(owner) : NULL;
	enum kind not_held = family == FAMILY_RWLOCK ? KIND_RWLOCK_NOT_HELD : KIND_UNLOCK_NOT_HELD;
	if (!holder && eyes.busy(family, addr) != 0 && lock_held_by_any(lock, &holder) && holder == t)
		return;
	if (holder || owner) {
		uint32_t key;
		if (holder)
			waitfor_owns(holder, lock, addr, &stack, &key);
		misuse_found(t, &(struct misuse){ .kind = family == FAMILY_RWLOCK ? not_held : KIND_UNLOCK_FOREIGN, .grade = -1,
						  .call = call, .lock = lock, .other = holder ? holder->id : 0, .other_stack = stack,
						  .message = "another thread holds it" },
			     site);
		if (holder) {
			atomic_store(&holder->disowned, addr);
			atomic_fetch_or(&holder->tls->poked, POKE_DISOWN);
		}
	} else if (eyes.busy(family, addr) == 0) {
		misuse_found(t, &(struct misuse){ .kind = not_held, .grade = -1, .call = call, .lock = lock,
						  .message = "nobody holds it" },
			     site);
	}
}

void hang_on_itself(struct thread *t, uintptr_t addr, uint32_t lock, unsigned key, struct site site, const char *call,
		    enum kind kind)
{
	const struct held *h = lock_held(t, addr);
	struct order_hold hold = { lock, h ? h->stack : 0, h ? h->key : 0 };
	struct finding_thread who = { .thread = t->id, .role = "waiter", .wants = true, .want_lock = lock, .want_key = key,
				      .want_stack = site_stack(t, site), .call = call, .holds = &hold, .nr_holds = h != NULL };
	gate_shut();
	emit_finding(&(struct finding){ .kind = kind, .grade = key & ORDER_TIMED ? GRADE_ADVICE : -1, .call = call, .thread = &who,
					.nr_threads = 1, .lock = &lock, .nr_locks = 1,
					.message = kind == KIND_LOCK_UPGRADE
							   ? "it wants to write-lock what it has read-locked itself: it waits for itself"
							   : "it waits for a lock that it holds itself" });
	if (!(key & ORDER_TIMED))
		waitfor_hang();
	gate_open();
}

void object_use_dead(struct thread *t, uintptr_t addr, enum object_family family, struct site site, const char *call)
{
	uint32_t dead = object_dead_at(addr);
	if (dead && dead >> OBJECT_FAMILY_SHIFT == (uint32_t)family)
		misuse_found(t, &(struct misuse){ .kind = KIND_USE_AFTER_DESTROY, .grade = -1, .call = call, .lock = dead,
						  .message = "the object was destroyed before this call" },
			     site);
}

void leftovers(struct thread *t)
{
	for (uint32_t n = t ? t->nr_held : 0; n-- > 0;) {
		const struct held *h = &t->held[n];
		struct order_hold hold = { h->lock, h->stack, h->key };
		struct finding_thread who = { .thread = t->id, .role = "actor", .holds = &hold, .nr_holds = 1 };
		if (!h->addr || object_by_id(h->lock)->destroyed || h->family == FAMILY_SEM)
			continue; /* and that has been said */
		emit_finding(&(struct finding){ .kind = KIND_EXIT_HOLDING, .grade = GRADE_ADVICE, .thread = &who, .nr_threads = 1,
						.lock = &hold.lock, .nr_locks = 1, .message = "the process ends while holding it" });
	}
	for (uint32_t id = 1; id <= thread_count(); id++) {
		const struct thread_info *i = thread_by_id(id);
		struct finding_thread who = { .thread = id, .role = "actor", .stack = i->created };
		if (!(i->flags & THREAD_ENDED) ||
		    i->flags & (THREAD_JOINED | THREAD_DETACHED | THREAD_MAIN | THREAD_UNSEEN | THREAD_FAILED | THREAD_UNFORKED))
			continue;
		emit_finding(&(struct finding){ .kind = KIND_THREAD_LEAK, .grade = -1, .thread = &who, .nr_threads = 1,
						.message = "it has ended, and nobody joined or detached it: its stack is kept" });
	}
}
