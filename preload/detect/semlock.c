#include "detect/semlock.h"

#include "base/arena.h"
#include "base/spin.h"
#include "detect/segment.h"
#include "detect/verbs.h"

#include <string.h>

#define MAX_PENDING 256u /* cycles kept back; what comes then is dropped */
#define MIN_PAIRS   2u   /* one by each of two threads at least */

struct pending {
	struct pending *next;
	uint32_t thread, wants;   /* who closed it has not posted yet the semaphore it wanted then; 0: none, or it has */
	struct order_cycle cycle; /* its deps and holds follow */
};

static struct spin lock = SPIN_INIT(RANK_SEMLOCK);
static struct pending *pending;
static _Atomic uint32_t nr_pending;
static _Atomic bool only_wait;
static void (*on_cycle)(const struct order_cycle *);

static void settle(uint32_t thread, uint32_t posted);

void semlock_on_cycle(void (*report)(const struct order_cycle *))
{
	on_cycle = report;
	order_on_cycle(semlock_cycle);
}

/* ---- what it is ------------------------------------------------------------------------------------------------ */

void semlock_born(uint32_t id, unsigned value, bool shared)
{
	struct object *o = object_by_id(id);
	if (o->id != id)
		return;
	if (shared)
		o->attrs |= OBJECT_PSHARED;
	atomic_store(&o->sem.role, value == 1 ? SEM_LOCK : SEM_SIGNAL);
}

struct thread *semlock_holder(uint32_t id)
{
	uint32_t holder = semlock_role(id) == SEM_LOCK ? atomic_load(&object_by_id(id)->sem.holder) : 0;
	struct thread_info *info = holder ? thread_by_id(holder) : NULL;
	return info ? atomic_load(&info->live) : NULL;
}

bool semlock_proven(uint32_t id)
{
	const struct object *o = object_by_id(id);
	return semlock_role(id) == SEM_LOCK && (atomic_load(&o->sem.pairs) || atomic_load(&o->sem.scoped));
}

void semlock_only_wait(void) { atomic_store(&only_wait, true); }

void semlock_ends_thread(struct thread *t, uint32_t id)
{
	struct object *o = object_by_id(id);
	if (!id || o->id != id)
		return;
	atomic_store(&o->sem.holder, t->id);
	atomic_store(&o->sem.pairs, 0);
	atomic_store(&o->sem.role, SEM_THREAD_END);
}

void semlock_ended(struct thread *t, uint32_t id)
{
	const struct object *o = object_by_id(id);
	struct thread_info *child = thread_by_id(atomic_load(&o->sem.holder));
	/* Its thread takes it first, and tells of its end by posting it. */
	if (!child || child->id == t->id || !atomic_load(&o->sem.pairs) || child->joined_by)
		return;
	gate_shut();
	t->seg++;
	child->joined_by = t->id;
	child->joined_seg = t->seg;
	segment_joined(child->id, t->id, t->seg);
	gate_open();
}

/* Its holder no longer counts as such. */
static void disown(struct object *o)
{
	uint32_t holder = atomic_exchange(&o->sem.holder, 0);
	struct thread_info *info = holder ? thread_by_id(holder) : NULL;
	struct thread *u = info ? atomic_load(&info->live) : NULL;
	if (!u)
		return;
	if (u == tls.thread) {
		if (lock_held(u, o->addr))
			lock_gone(u, o->addr);
		return;
	}
	atomic_store(&u->disowned, o->addr);
	atomic_fetch_or(&u->tls->poked, POKE_DISOWN);
}

void semlock_not(uint32_t id)
{
	struct object *o = object_by_id(id);
	if (o->id != id || atomic_exchange(&o->sem.role, SEM_SIGNAL) != SEM_LOCK)
		return;
	disown(o);
	gate_shut();
	order_forget(id);
	if (atomic_load(&nr_pending))
		settle(0, 0);
	gate_open();
}

void semlock_doubt(uintptr_t addr)
{
	uint32_t id = object_find(addr, FAMILY_SEM);
	if (id)
		atomic_store(&object_by_id(id)->sem.role, SEM_SIGNAL);
}

void semlock_gone(uint32_t id)
{
	struct object *o = object_by_id(id);
	if (o->id != id || semlock_role(id) != SEM_LOCK)
		return;
	gate_shut();
	if (atomic_load(&nr_pending))
		settle(0, 0);
	atomic_store(&o->sem.role, SEM_SIGNAL);
	disown(o);
	gate_open();
}

void semlock_got(struct thread *t, uintptr_t addr, uint32_t key, struct taking k, bool scoped)
{
	struct object *o = object_by_id(k.lock);
	if (semlock_role(k.lock) != SEM_LOCK)
		return;
	/* Somebody has it already: it was posted where we did not look, or there is more than one to be had. */
	if (atomic_load(&o->sem.holder)) {
		semlock_not(k.lock);
		return;
	}
	atomic_store(&o->sem.scoped, scoped);
	atomic_store(&o->sem.holder, t->id);
	lock_got(t, addr, FAMILY_SEM, key, k);
}

void semlock_posted(struct thread *t, uintptr_t addr, uint32_t id)
{
	struct object *o = object_by_id(id);
	if (semlock_role(id) == SEM_THREAD_END && atomic_load(&o->sem.holder) == t->id)
		atomic_store(&o->sem.pairs, 1);
	if (semlock_role(id) != SEM_LOCK)
		return;
	if (atomic_load(&o->sem.holder) != t->id || !lock_gone(t, addr)) {
		semlock_not(id);
		return;
	}
	atomic_store(&o->sem.holder, 0);
	atomic_store(&o->sem.scoped, false);
	atomic_fetch_add(&o->sem.pairs, 1);
	if (unlikely(atomic_load_explicit(&nr_pending, memory_order_relaxed))) {
		gate_shut();
		settle(t->id, id);
		gate_open();
	}
}

/* ---- cycles kept back ------------------------------------------------------------------------------------------ */

enum verdict { TELL, WAIT, DROP };

static enum verdict verdict_of(const struct pending *p)
{
	const struct order_cycle *c = &p->cycle;
	enum verdict v = p->wants ? WAIT : TELL;
	for (unsigned i = 0; i < c->nr; i++) {
		uint32_t id = c->dep[i].lock;
		if (id >> OBJECT_FAMILY_SHIFT != FAMILY_SEM)
			continue;
		if (semlock_role(id) != SEM_LOCK)
			return DROP;
		const struct object *o = object_by_id(id);
		uint32_t holder = atomic_load(&o->sem.holder);
		if (atomic_load(&o->sem.pairs) < MIN_PAIRS)
			v = WAIT;
		for (unsigned j = 0; j < c->nr && holder; j++)
			if (c->dep[j].thread == holder)
				v = WAIT;
	}
	return v;
}

/* Tells what can be told, frees what cannot. The gate is shut. */
static void settle(uint32_t thread, uint32_t posted)
{
	struct pending *tell = NULL;
	spin_lock(&lock);
	for (struct pending **link = &pending; *link;) {
		struct pending *p = *link;
		if (posted && p->thread == thread && p->wants == posted)
			p->wants = 0;
		enum verdict v = verdict_of(p);
		if (v == WAIT) {
			link = &p->next;
			continue;
		}
		*link = p->next;
		atomic_fetch_sub(&nr_pending, 1);
		if (v == TELL) {
			p->next = tell;
			tell = p;
		} else {
			arena_free(p);
		}
	}
	spin_unlock(&lock);
	while (tell) {
		struct pending *p = tell;
		tell = p->next;
		on_cycle(&p->cycle);
		arena_free(p);
	}
}

void semlock_cycle(const struct order_cycle *c)
{
	size_t nr_holds = 0;
	bool sem = false;
	for (unsigned i = 0; i < c->nr; i++) {
		nr_holds += c->dep[i].nr_held;
		sem |= c->dep[i].lock >> OBJECT_FAMILY_SHIFT == FAMILY_SEM;
	}
	if (!sem) {
		on_cycle(c);
		return;
	}
	if (atomic_load(&only_wait))
		return;
	struct order_dep *dep;
	struct pending *p = NULL;
	if (atomic_load(&nr_pending) < MAX_PENDING)
		p = arena_malloc(sizeof *p + c->nr * sizeof *dep + nr_holds * sizeof(struct order_hold));
	if (!p)
		return;
	dep = (struct order_dep *)(p + 1);
	struct order_hold *hold = (struct order_hold *)(dep + c->nr);
	*p = (struct pending){ .cycle = { .nr = c->nr, .dep = dep, .timed = c->timed } };
	for (unsigned i = 0; i < c->nr; i++) {
		dep[i] = c->dep[i];
		dep[i].held = hold;
		memcpy(hold, c->dep[i].held, c->dep[i].nr_held * sizeof *hold);
		hold += c->dep[i].nr_held;
		if (tls.thread && dep[i].thread == tls.thread->id && dep[i].lock >> OBJECT_FAMILY_SHIFT == FAMILY_SEM) {
			p->thread = dep[i].thread;
			p->wants = dep[i].lock;
		}
	}
	spin_lock(&lock);
	p->next = pending;
	pending = p;
	atomic_fetch_add(&nr_pending, 1);
	spin_unlock(&lock);
}

void semlock_fork_child(void)
{
	spin_reset(&lock);
	pending = NULL;
	nr_pending = 0;
	/* What is shared has two holders now. */
	for (uint32_t n = tls.thread ? tls.thread->nr_held : 0; n-- > 0;) {
		const struct held *h = &tls.thread->held[n];
		if (h->family == FAMILY_SEM && object_by_id(h->lock)->attrs & OBJECT_PSHARED)
			semlock_not(h->lock);
	}
}
