#include "detect/waitfor.h"

#include "base/arena.h"
#include "base/sys.h"
#include "detect/emit.h"

#include <string.h>
#include <time.h>

#define MAX_OWNERS 64u /* readers looked at for one lock */

struct link {
	struct thread *t;
	uint32_t seq;
	/* its wait, as seen on the first walk */
	struct wait wait;
	/* how it owns what the one before waits for */
	uint32_t hold_stack, hold_key;
};

static void (*on_hang)(void);

void waitfor_on_hang(void (*f)(void)) { on_hang = f; }

void waitfor_hang(void)
{
	if (on_hang)
		on_hang();
}

/* A consistent copy of u's wait; false when it is not waiting. */
static bool snapshot(struct thread *u, struct link *l)
{
	uint32_t seq = atomic_load(&u->wait.seq);
	if (!(seq & 1))
		return false;
	l->t = u;
	l->seq = seq;
	memcpy(&l->wait, &u->wait, sizeof l->wait);
	atomic_thread_fence(memory_order_seq_cst);
	return atomic_load(&u->wait.seq) == seq;
}

static const struct held *record_of(struct thread *u, uint32_t lock)
{
	const struct held *h = u->held;
	for (uint32_t n = atomic_load(&u->nr_held); n-- > 0;)
		if (h[n].lock == lock)
			return &h[n];
	return NULL;
}

bool waitfor_owns(struct thread *u, uint32_t lock, uintptr_t addr, uint32_t *stack, uint32_t *key)
{
	const struct held *h = record_of(u, lock);
	enum object_family family = (enum object_family)(lock >> OBJECT_FAMILY_SHIFT);
	*stack = h ? h->stack : 0;
	*key = h ? h->key : 0;
	if (h && !(family == FAMILY_MUTEX))
		return true;
	/* A mutex knows its owner; our record may be of a lock that somebody else has unlocked since. */
	int owner = eyes.owner(family, addr);
	return owner ? thread_by_tid(owner) == u : h != NULL;
}

struct owners {
	uint32_t lock;
	uint32_t want_key;
	struct thread *self;
	struct thread *found[MAX_OWNERS];
	unsigned nr;
	bool writers_too; /* a reader kept out by a waiting writer */
};

static bool add_owner(struct thread *u, void *arg)
{
	struct owners *o = arg;
	const struct held *h = record_of(u, o->lock);
	if (u == o->self || o->nr == MAX_OWNERS)
		return o->nr < MAX_OWNERS;
	bool waits_to_write = o->writers_too && u->wait.seq & 1 && u->wait.lock == o->lock && !(u->wait.key & ORDER_READ);
	if ((h && !(h->key & o->want_key & ORDER_READ)) || waits_to_write)
		o->found[o->nr++] = u;
	return true;
}

static bool find_mutex_waited(struct link *l, bool patient)
{
	uintptr_t at;
	/* A condition waiter that has been woken sleeps on its mutex inside libc: the kernel knows. */
	if (!patient || l->wait.kind != WAIT_COND || !l->wait.mutex || !waitfor_in_futex(l->t->tid, &at))
		return false;
	if (at < l->wait.mutex_addr || at >= l->wait.mutex_addr + eyes.bytes(FAMILY_MUTEX))
		return false;
	l->wait.kind = WAIT_LOCK;
	l->wait.lock = l->wait.mutex;
	l->wait.addr = l->wait.mutex_addr;
	return true;
}

/* Everybody l waits for. */
static void owners_of(struct link *l, struct owners *o, bool own, bool patient, enum ring_trust trust)
{
	o->nr = 0;
	o->self = l->t;
	if (l->wait.kind == WAIT_JOIN) {
		struct thread_info *info = thread_by_id(l->wait.target);
		struct thread *u = info ? atomic_load(&info->live) : NULL;
		if (u && !semlock_told_end(l->wait.mutex))
			o->found[o->nr++] = u;
		return;
	}
	if (l->wait.kind == WAIT_SEM) {
		struct thread *u = trust == RING_ANY || semlock_proven(l->wait.lock) ? semlock_holder(l->wait.lock) : NULL;
		if (u && u != l->t)
			o->found[o->nr++] = u;
		return;
	}
	if (l->wait.kind != WAIT_LOCK && !find_mutex_waited(l, patient))
		return;
	enum object_family family = (enum object_family)(l->wait.lock >> OBJECT_FAMILY_SHIFT);
	int tid = own ? eyes.owner_here(family, l->wait.addr) : eyes.owner(family, l->wait.addr);
	if (tid) {
		struct thread *u = thread_by_tid(tid);
		if (u && u != l->t)
			o->found[o->nr++] = u;
		return;
	}
	if (family == FAMILY_MUTEX && !sys_confined.on)
		return; /* free for a moment */
	o->lock = l->wait.lock;
	o->want_key = l->wait.key;
	o->writers_too = l->wait.key & ORDER_READ && object_by_id(o->lock)->attrs & OBJECT_PREFER_WRITER;
	thread_each(add_owner, o);
}

static bool still_so(struct link *l, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		struct link *next = &l[(i + 1) % nr];
		if (atomic_load(&l[i].t->wait.seq) != l[i].seq)
			return false;
		if (l[i].wait.kind == WAIT_JOIN) {
			if (semlock_told_end(l[i].wait.mutex))
				return false;
			continue;
		}
		if (l[i].wait.kind == WAIT_SEM && semlock_holder(l[i].wait.lock) != next->t)
			return false;
		bool owns = waitfor_owns(next->t, l[i].wait.lock, l[i].wait.addr, &next->hold_stack, &next->hold_key);
		bool blocks = next->wait.kind == WAIT_LOCK && next->wait.lock == l[i].wait.lock;
		if (!owns && !blocks)
			return false;
	}
	return true;
}

/*
 * Somebody outside the ring could post a semaphore, though nobody ever did: as long as the ring stands, wait for that, a third
 * of a second. All of it is asleep but its last member, who is about to be.
 */
static bool stands(struct link *l, unsigned nr)
{
	bool sem = false;
	for (unsigned i = 0; i < nr; i++)
		sem |= l[i].wait.kind == WAIT_SEM;
	for (unsigned ms = 0; sem && ms < 340; ms += 4) {
		struct timespec pause = { 0, 4000000 };
		if (sys2(SYS_nanosleep, &pause, NULL) != 0 || !still_so(l, nr))
			return false;
		/* By another process: we are not asleep yet, and not to be late. */
		for (unsigned i = 0; i < nr; i++)
			if (l[i].t == tls.thread && l[i].wait.kind == WAIT_SEM && eyes.passable(FAMILY_SEM, l[i].wait.addr, false))
				return false;
	}
	return true;
}

/* None of them has left its wait by a jump. A look of one that gives up after a time must not make it late. */
static bool all_live(const struct link *l, unsigned nr)
{
	uint64_t patience_ns = tls.thread && tls.thread->wait.timed ? 5000000 : 200000000;
	for (unsigned i = 0; i < nr; i++)
		if (!waitfor_lives(l[i].t, &l[i].wait, l[i].seq, patience_ns))
			return false;
	return true;
}

static bool ring_timed(const struct link *l, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		if (l[i].wait.timed)
			return true;
	return false;
}

static void report_ring(struct link *l, unsigned nr)
{
	struct finding_thread *parts = arena_calloc(nr, sizeof *parts);
	struct order_hold *holds = arena_calloc(nr, sizeof *holds);
	uint32_t *locks = arena_calloc(nr, sizeof *locks);
	bool timed = ring_timed(l, nr), seen = false;
	if (!parts || !holds || !locks)
		return;
	for (unsigned i = 0; i < nr; i++) {
		const struct link *before = &l[(i + nr - 1) % nr];
		const struct wait *w = &l[i].wait;
		seen |= l[i].t->wait.reported;
		l[i].t->wait.reported = true;
		holds[i] = (struct order_hold){ before->wait.lock, l[i].hold_stack, l[i].hold_key };
		parts[i] = (struct finding_thread){
			.thread = l[i].t->id,
			.role = "waiter",
			.wants = true,
			.want_lock = w->kind == WAIT_JOIN ? 0 : w->lock,
			.want_thread = w->kind == WAIT_JOIN ? w->target : 0,
			.want_key = w->key,
			.want_stack = w->stack,
			.call = w->call,
			.holds = &holds[i],
			.nr_holds = before->wait.kind == WAIT_JOIN ? 0 : 1,
		};
		locks[i] = parts[i].want_lock;
	}
	unsigned nr_locks = 0;
	for (unsigned i = 0; i < nr; i++)
		if (locks[i])
			locks[nr_locks++] = locks[i];
	struct finding f = {
		.kind = KIND_DEADLOCK,
		.grade = timed ? GRADE_ADVICE : -1,
		.message = timed ? "threads wait for each other in a ring; one of them gives up after a time"
				 : "threads wait for each other in a ring: none of them can go on",
		.thread = parts,
		.nr_threads = nr,
		.lock = locks,
		.nr_locks = nr_locks,
	};
	if (!seen || !timed)
		emit_finding(&f);
	arena_free(parts);
	arena_free(holds);
	arena_free(locks);
	if (!timed)
		waitfor_hang();
}

/* Depth-first from t, following every owner, until t comes up again. */
bool waitfor_ring(struct thread *t, bool patient, enum ring_trust trust)
{
	uint32_t room = 16, depth = 0;
	bool found = false;
	struct path {
		struct link link;
		struct owners owners;
		unsigned at;
	} *path = NULL;
	struct link first;
	if (!snapshot(t, &first))
		return false;
	/* Most waits end here: the owner is running. */
	struct owners direct;
	owners_of(&first, &direct, t->tls == &tls && first.wait.kind == WAIT_LOCK, patient, trust);
	bool deeper = false;
	for (unsigned i = 0; i < direct.nr; i++)
		deeper |= direct.found[i]->wait.seq & 1;
	if (!deeper)
		return false;
	path = arena_malloc(room * sizeof *path);
	if (!path)
		return false;
	path[0] = (struct path){ first, direct, 0 };
	depth = 1;
	uint32_t steps = 0;
	while (depth && !found && steps++ < 100000) {
		struct path *p = &path[depth - 1];
		if (p->at == p->owners.nr) {
			depth--;
			continue;
		}
		struct thread *u = p->owners.found[p->at++];
		if (u == t) {
			struct link *ring = arena_malloc(depth * sizeof *ring);
			if (!ring)
				break;
			for (uint32_t i = 0; i < depth; i++)
				ring[i] = path[i].link;
			if (still_so(ring, depth) && all_live(ring, depth) && still_so(ring, depth) &&
			    (trust == RING_ANY || ring_timed(ring, depth) || stands(ring, depth))) {
				found = true;
				report_ring(ring, depth);
			}
			arena_free(ring);
			continue;
		}
		bool on_path = false;
		for (uint32_t i = 1; i < depth; i++)
			on_path |= path[i].link.t == u;
		struct link l;
		if (on_path || !snapshot(u, &l))
			continue;
		if (depth == room) {
			struct path *bigger = arena_realloc(path, 2 * room * sizeof *path);
			if (!bigger)
				break;
			path = bigger;
			room *= 2;
		}
		path[depth].link = l;
		path[depth].at = 0;
		owners_of(&path[depth].link, &path[depth].owners, false, patient, trust);
		depth++;
	}
	arena_free(path);
	return found;
}

static bool task_is_gone(int tid) { return sys3(SYS_tgkill, sys_getpid(), tid, 0) == -ESRCH; }

static void report_orphan(struct thread *t, uint32_t owner, uint32_t owner_stack, bool forked)
{
	const struct wait *w = &t->wait;
	struct order_hold hold = { w->lock, owner_stack, 0 };
	struct finding_thread parts[2] = {
		{ .thread = t->id, .role = "waiter", .wants = true, .want_lock = w->lock, .want_key = w->key,
		  .want_stack = w->stack, .call = w->call },
		{ .thread = owner, .role = "other", .holds = &hold, .nr_holds = owner_stack != 0 },
	};
	struct finding f = {
		.kind = forked ? KIND_FORK_HELD : KIND_DEAD_OWNER,
		.grade = w->timed && !forked ? GRADE_ADVICE : -1,
		.message = forked ? "waits for a lock that another thread held when this process was forked; that thread does not "
				    "exist here"
				  : "waits for a lock whose owner has ended without releasing it",
		.call = w->call,
		.thread = parts,
		.nr_threads = owner ? 2 : 1,
		.lock = &w->lock,
		.nr_locks = 1,
	};
	t->wait.reported = true;
	emit_finding(&f);
	if (!w->timed)
		waitfor_hang();
}

bool waitfor_dead_owner(struct thread *t)
{
	const struct wait *w = &t->wait;
	enum object_family family = (enum object_family)(w->lock >> OBJECT_FAMILY_SHIFT);
	if (w->kind != WAIT_LOCK || w->reported || object_by_id(w->lock)->attrs & (OBJECT_ROBUST | OBJECT_PSHARED))
		return w->reported;
	int tid = eyes.owner_here(family, w->addr);
	if (!tid || tid == t->tid || thread_by_tid(tid) || !task_is_gone(tid))
		return false;
	if (eyes.owner_here(family, w->addr) != tid)
		return false;
	uint32_t owner = 0;
	bool forked = false;
	for (uint32_t id = thread_count(); id && !owner; id--)
		if (thread_by_id(id)->tid == tid) {
			owner = id;
			forked = thread_by_id(id)->flags & THREAD_UNFORKED;
		}
	report_orphan(t, owner, 0, forked);
	return true;
}

struct orphan {
	struct thread *owner;
	const struct held *held;
	struct thread *waiter[16];
	unsigned nr;
};

static bool waits_for_orphan(struct thread *u, void *arg)
{
	struct orphan *o = arg;
	if (u != o->owner && u->wait.seq & 1 && u->wait.kind == WAIT_LOCK && u->wait.lock == o->held->lock && !u->wait.reported)
		o->waiter[o->nr++] = u;
	return o->nr < ARRAY_SIZE(o->waiter);
}

void waitfor_orphan(struct thread *owner, const struct held *h)
{
	struct orphan o = { .owner = owner, .held = h };
	thread_each(waits_for_orphan, &o);
	for (unsigned i = 0; i < o.nr; i++) {
		struct link l;
		if (snapshot(o.waiter[i], &l) && (waitfor_blind || waitfor_lives(l.t, &l.wait, l.seq, 20000000)))
			report_orphan(o.waiter[i], owner->id, h->stack, false);
	}
}
