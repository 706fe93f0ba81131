#include "detect/verbs.h"

#include "base/arena.h"
#include "base/sys.h"
#include "core/depot.h"
#include "core/module.h"
#include "core/stack_at.h"
#include "core/step.h"
#include "detect/emit.h"
#include "detect/segment.h"
#include "detect/waitfor.h"

#include <string.h>

_Static_assert(sizeof(struct order_cache) == sizeof(((struct thread *)0)->order_), "core/thread.h mirrors struct order_cache");
_Static_assert(offsetof(struct order_cache, mask) == 8 && offsetof(struct order_cache, known) == 16, "and its layout");
_Static_assert(ORDER_LATER == CHAIN_UNSET, "a chain to be looked up when somebody asks");

struct eyes eyes;

uint32_t site_stack(struct thread *t, struct site site)
{
	uint32_t id = stack_capture(&t->stacks, site.pc, site.cfa);
	if (id)
		return id;
	gate_shut();
	id = stack_capture_slow(&t->stacks, site.pc, site.cfa);
	gate_open();
	return id;
}

uint32_t site_caller(struct site site)
{
	gate_shut();
	struct depot_frame f = stack_frame_of(site.pc, false);
	uint32_t id = depot_put(&f, 1, true);
	gate_open();
	return id;
}

/* ---- objects -------------------------------------------------------------------------------------------------- */

static void forget_one(uint32_t id, uintptr_t addr, void *arg)
{
	(void)addr;
	semlock_gone(id);
	order_gone_add(arg, id);
}

struct lies_on {
	uintptr_t addr;
	struct thread *found;
};

static bool lies_on_stack(struct thread *u, void *arg)
{
	struct lies_on *l = arg;
	if (l->addr >= u->stacks.lo && l->addr < u->stacks.hi)
		l->found = u;
	return !l->found;
}

void thread_stack_objects_slow(struct thread *t, uintptr_t cfa)
{
	struct order_gone gone = { .more = NULL };
	gate_shut();
	t->stack_objects = object_forget_stack(t->id, t->stack_objects, cfa, forget_one, &gone);
	order_gone(&gone);
	gate_open();
}

static void wrong_type(struct thread *t, uint32_t old, struct site site, const char *call)
{
	/* Only where somebody said what it is: memory that changes its use without an initialisation call is common. */
	if (!object_by_id(old)->init_seen)
		return;
	misuse_found(t, &(struct misuse){ .kind = KIND_WRONG_TYPE, .grade = -1, .call = call, .lock = old,
					  .message = "the object was initialised as another type" },
		     site);
}

static uint32_t add_object(struct thread *t, uintptr_t addr, enum object_family family, struct site site, bool init,
			   uint32_t stack)
{
	struct lies_on on = { .addr = addr };
	if (!module_find(addr))
		thread_each(lies_on_stack, &on);
	struct object_news n = {
		.addr = addr,
		.family = family,
		.kind = eyes.kind(family, addr),
		.attrs = eyes.attrs(family, addr),
		.stack = stack,
		.thread = on.found ? on.found->id : t->id,
		.stack_lo = on.found ? on.found->stacks.lo : 0,
		.stack_hi = on.found ? on.found->stacks.hi : 0,
		.init = init,
	};
	uint32_t old, dead;
	uint32_t id = object_add(&n, &old, &dead);
	if (on.found && addr < on.found->stack_objects)
		on.found->stack_objects = addr;
	if (old) {
		semlock_gone(old);
		order_forget(old);
		if (!init && old >> OBJECT_FAMILY_SHIFT != (uint32_t)family)
			wrong_type(t, old, site, NULL);
	}
	if (dead && !init && dead >> OBJECT_FAMILY_SHIFT == (uint32_t)family && eyes.marked_destroyed(family, addr))
		misuse_found(t, &(struct misuse){ .kind = KIND_USE_AFTER_DESTROY, .grade = -1, .lock = dead,
						  .message = "the object was destroyed before this call" },
			     site);
	return id;
}

uint32_t object_here(struct thread *t, uintptr_t addr, enum object_family family, struct site site, bool init)
{
	uint32_t id = init ? 0 : object_find(addr, family);
	if (id)
		return id;
	uint32_t stack = site_stack(t, site);
	gate_shut();
	id = add_object(t, addr, family, site, init, stack);
	gate_open();
	return id;
}

struct any_holder {
	uint32_t lock;
	struct thread *found;
};

static bool holds_it(struct thread *u, void *arg)
{
	struct any_holder *a = arg;
	for (uint32_t n = atomic_load(&u->nr_held); n-- > 0;)
		if (u->held[n].lock == a->lock) {
			a->found = u;
			return false;
		}
	return true;
}

bool lock_held_by_any(uint32_t lock, struct thread **owner)
{
	struct any_holder a = { .lock = lock };
	thread_each(holds_it, &a);
	*owner = a.found;
	return a.found != NULL;
}

void memory_gone(struct thread *t, uintptr_t addr, size_t bytes, struct site site, const char *call)
{
	if (!object_maybe_in(addr, bytes))
		return;
	gate_shut();
	memory_gone_slow(t, addr, bytes, site, call);
	gate_open();
}

/* ---- taking and releasing --------------------------------------------------------------------------------------- */

struct taking lock_want_slow(struct thread *t, uintptr_t addr, enum object_family family, unsigned key, struct site site)
{
	struct taking k = { .lock = object_find(addr, family), .stack = stack_capture(&t->stacks, site.pc, site.cfa),
			    .chain = CHAIN_UNSET };
	gate_shut();
	if (!k.stack)
		k.stack = stack_capture_slow(&t->stacks, site.pc, site.cfa);
	if (!k.lock)
		k.lock = add_object(t, addr, family, site, false, k.stack);
	if (t->nr_held && k.lock)
		k.chain = chain_wanted_slow(t, k.lock, key, k.stack, false);
	gate_open();
	return k;
}

void lock_note_first_slow(struct thread *t, struct taking k, unsigned key)
{
	if (t->nr_held || !k.lock || order_next(order_cache_of(t), 0, k.lock, key, t->seg))
		return;
	gate_shut();
	order_next_slow(order_cache_of(t), t->id, t->seg, 0, NULL, 0, k.lock, key, k.stack);
	gate_open();
}

/* ---- waiting ---------------------------------------------------------------------------------------------------- */

void wait_publish(struct thread *t, const struct waiting *w)
{
	struct wait *mine = &t->wait;
	struct object *o = w->lock ? object_by_id(w->lock) : NULL;
	uintptr_t sp = (uintptr_t)__builtin_frame_address(0);
	if (unlikely(mine->seq & 1)) {
		if (sp < mine->sp) { /* a handler inside a wait: the outer one is what counts */
			mine->nested++;
			return;
		}
		mine->nested = 0; /* the frame of that wait was left by longjmp */
		wait_end(t);
	}
	mine->sp = sp;
	gate_shut();
	mine->kind = (uint8_t)w->kind;
	mine->key = (uint8_t)w->key;
	mine->timed = w->timed;
	mine->reported = false;
	mine->looked_ns = 0;
	atomic_store_explicit(&mine->looking, true, memory_order_relaxed);
	mine->lock = w->lock;
	mine->target = w->target;
	mine->mutex = w->mutex;
	mine->addr = w->addr;
	mine->mutex_addr = w->mutex_addr;
	mine->stack = w->stack;
	mine->call = w->call;
	mine->wakes = o ? atomic_load(&o->wakes) : 0;
	if (o) {
		atomic_fetch_add(&o->waiters, 1);
		if (w->kind == WAIT_LOCK)
			atomic_fetch_add_explicit(&o->contended, 1, memory_order_relaxed);
	}
	if (!w->timed)
		atomic_fetch_add(&waitfor_nr_asleep, 1);
	atomic_fetch_add(&mine->seq, 1); /* odd: published; a full fence */
	gate_open();
}

void wait_look(struct thread *t)
{
	if (t->wait.nested)
		return;
	gate_shut();
	bool found = t->wait.kind != WAIT_COND && t->wait.kind != WAIT_BARRIER &&
		     (waitfor_ring(t, false, RING_PROVEN) || waitfor_dead_owner(t));
	wait_seen(t);
	if (!found)
		waitfor_stall(t, false);
	gate_open();
}

void wait_look_again(struct thread *t)
{
	wait_beat(t);
	if (t->wait.reported || t->wait.nested)
		return;
	gate_shut();
	atomic_store(&t->wait.looking, true);
	bool found = waitfor_ring(t, true, RING_PROVEN) || waitfor_dead_owner(t);
	wait_seen(t);
	t->wait.looked_ns = sys_clock_ns();
	if (!found)
		waitfor_stall(t, true);
	gate_open();
}

void wait_seen(struct thread *t) { atomic_store(&t->wait.looking, false); }

void wait_beat(struct thread *t) { atomic_store_explicit(&t->wait.beat_ns, sys_clock_ns(), memory_order_relaxed); }

void wait_begin(struct thread *t, const struct waiting *w)
{
	wait_publish(t, w);
	wait_look(t);
}

void wait_end(struct thread *t)
{
	struct object *o = t->wait.lock ? object_by_id(t->wait.lock) : NULL;
	if (!(t->wait.seq & 1))
		return;
	if (t->wait.nested) {
		t->wait.nested--;
		return;
	}
	atomic_fetch_add(&t->wait.seq, 1);
	if (!t->wait.timed)
		atomic_fetch_sub(&waitfor_nr_asleep, 1);
	if (o)
		atomic_fetch_sub(&o->waiters, 1);
	t->wait.kind = WAIT_NONE;
}

void object_woken(uintptr_t addr, enum object_family family)
{
	uint32_t id = object_find(addr, family);
	if (id)
		atomic_fetch_add(&object_by_id(id)->wakes, 1);
}

/* ---- conditions --------------------------------------------------------------------------------------------------- */

void cond_wait_begin(struct thread *t, uintptr_t cond, uintptr_t mutex, bool timed, struct site site, const char *call,
		     struct cond_pause *p)
{
	uint32_t stack = site_stack(t, site);
	p->cond = object_here(t, cond, FAMILY_COND, site, false);
	struct held *h = lock_held(t, mutex);
	uint32_t m = h ? h->lock : object_here(t, mutex, FAMILY_MUTEX, site, false);
	struct object *c = object_by_id(p->cond);
	p->was_held = h != NULL;
	if (!h && eyes.owner_here(FAMILY_MUTEX, mutex) != t->tid) {
		misuse_found(t, &(struct misuse){ .kind = KIND_COND_NO_MUTEX, .grade = -1, .call = call, .lock = p->cond, .lock2 = m,
						  .message = "the mutex of the wait is not held by the waiting thread" },
			     site);
	} else if (h && h->count > 1) {
		misuse_found(t, &(struct misuse){ .kind = KIND_COND_NO_MUTEX, .grade = -1, .call = call, .lock = p->cond, .lock2 = m,
						  .message = "the mutex is locked more than once: the wait releases it only once, so nobody "
							     "else can take it" },
			     site);
	}
	if (atomic_load(&c->waiters) && c->mutex && c->mutex != m)
		misuse_found(t, &(struct misuse){ .kind = KIND_COND_TWO_MUTEXES, .grade = -1, .call = call, .lock = p->cond,
						  .lock2 = m,
						  .message = "another thread waits on the same condition with a different mutex" },
			     site);
	c->mutex = m;
	p->again = (struct taking){ m, stack, CHAIN_UNSET };
	if (h && h->count == 1) {
		p->held = *h;
		lock_gone(t, mutex);
		happens_before(t, mutex);
		/* It will be taken again while everything else is held: that order counts now, before it blocks. */
		p->again = lock_want(t, mutex, FAMILY_MUTEX, ORDER_BLOCK, site);
	} else {
		p->was_held = false; /* stays as it is */
	}
	wait_begin(t, &(struct waiting){ .kind = WAIT_COND, .timed = timed, .lock = p->cond, .addr = cond,
					 .mutex = m, .mutex_addr = mutex, .stack = stack, .call = call });
}

void cond_wait_over(struct thread *t, uintptr_t mutex, struct cond_pause *p, bool mutex_is_held)
{
	wait_end(t);
	if (p->was_held && mutex_is_held)
		lock_got(t, mutex, FAMILY_MUTEX, p->held.key, p->again);
	happens_after(t, mutex);
}

/* ---- threads ------------------------------------------------------------------------------------------------------ */

struct thread_info *thread_creating(struct thread *t, struct site site, bool detached)
{
	uint32_t stack = site_stack(t, site);
	gate_shut();
	struct thread_info *info = thread_new(t->id, t->seg, stack, detached);
	if (info)
		segment_born(info->id, t->id, t->seg);
	if (info && t->race)
		race_thread_created(t, info->id);
	gate_open();
	return info;
}

void thread_created(struct thread *t, struct thread_info *info, uintptr_t handle, bool ok)
{
	gate_shut();
	if (ok) {
		if (handle || !sys_confined.on)
			atomic_store(&info->handle, handle);
		t->seg++;
	} else {
		thread_unborn(info);
		if (t->race)
			race_thread_unborn(info->id);
	}
	gate_open();
}

void thread_joined(struct thread *t, struct thread_info *child)
{
	gate_shut();
	t->seg++;
	child->joined_by = t->id;
	child->joined_seg = t->seg;
	atomic_fetch_or(&child->flags, THREAD_JOINED);
	segment_joined(child->id, t->id, t->seg);
	thread_drop_handle(child);
	if (t->race)
		race_thread_joined(t, child->id);
	gate_open();
}

void thread_detached(struct thread_info *child)
{
	gate_shut();
	atomic_fetch_or(&child->flags, THREAD_DETACHED);
	if (child->flags & THREAD_ENDED)
		thread_drop_handle(child);
	gate_open();
}

void thread_ending(struct thread *t, bool over)
{
	for (uint32_t n = t->nr_held; n-- > 0;) {
		const struct held *h = &t->held[n];
		const struct object *o = object_by_id(h->lock);
		happens_before(t, h->addr); /* whoever gets it yet, by EOWNERDEAD, comes after us */
		if (h->family == FAMILY_SEM) { /* taken for good, which is nobody's fault: a signal */
			semlock_not(h->lock);
			continue;
		}
		/* A robust mutex is made for this; one that somebody else has unlocked since is not held any more. */
		if (!h->addr || o->attrs & OBJECT_ROBUST || o->destroyed || h->family == FAMILY_ONCE ||
		    (h->family == FAMILY_MUTEX && eyes.owner(FAMILY_MUTEX, h->addr) != t->tid))
			continue;
		struct order_hold hold = { h->lock, h->stack, h->key };
		struct finding_thread who = { .thread = t->id, .role = "actor", .holds = &hold, .nr_holds = 1 };
		emit_finding(&(struct finding){ .kind = KIND_EXIT_HOLDING, .grade = -1, .thread = &who, .nr_threads = 1,
						.lock = &hold.lock, .nr_locks = 1,
						.message = "the thread ended without releasing it" });
		waitfor_orphan(t, h);
	}
	struct order_gone gone = { .more = NULL };
	object_forget_stack(t->id, t->stacks.lo, t->stacks.hi, forget_one, &gone);
	order_gone(&gone);
	order_cache_stop(order_cache_of(t));
	race_thread_ended(t);
	thread_detach(t);
	/* Perhaps we were the last one awake. */
	if (over)
		waitfor_stall(NULL, true);
}
