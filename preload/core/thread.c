#include "core/thread.h"

#include "base/arena.h"
#include "base/spin.h"
#include "base/sys.h"

#include <string.h>

#define INFO_BITS 10
#define INFO_CHUNK (1u << INFO_BITS)
#define MAX_INFO_CHUNKS (1u << 14)
#define TID_SLOTS (1u << 16)
#define FIRST_HELD 32u

__thread struct tls tls __attribute__((tls_model("initial-exec"))) = { .inside = GATE_NEW };

static struct spin lock = SPIN_INIT(RANK_THREADS);
static struct thread *live;      /* list */
static struct thread *idle;      /* slots free for use, linked by next */
static _Atomic uint32_t nr_live;
static _Atomic uint32_t nr_infos;
static struct thread_info *_Atomic *infos; /* chunks */
static struct thread_info *joinable;

/* Kernel thread id -> slot, open addressing without deletion of places: a place keeps its tid and loses its thread. */
struct tid_place {
	_Atomic int tid;
	struct thread *_Atomic thread;
};
static struct tid_place *tids; /* NULL: no memory for it, and none is found */

void thread_start(void)
{
	infos = arena_map(MAX_INFO_CHUNKS * sizeof *infos);
	tids = arena_map(TID_SLOTS * sizeof *tids);
}

static uint32_t tid_hash(int tid) { return ((uint32_t)tid * 0x9e3779b1u) >> 16; }

static void tid_put(int tid, struct thread *t)
{
	uint32_t reuse = TID_SLOTS;
	uint32_t i = tid_hash(tid);
	if (!tids)
		return;
	for (uint32_t n = 0; n < 64; n++, i = (i + 1) % TID_SLOTS) {
		int have = tids[i].tid;
		if (have == tid || have == 0) {
			reuse = i;
			break;
		}
		if (!tids[i].thread && reuse == TID_SLOTS)
			reuse = i; /* a tid that is gone; its successors are found all the same: a search always takes 64 steps */
	}
	if (reuse == TID_SLOTS)
		return; /* found by the list instead */
	atomic_store_explicit(&tids[reuse].thread, NULL, memory_order_relaxed);
	atomic_store_explicit(&tids[reuse].tid, tid, memory_order_relaxed);
	atomic_store_explicit(&tids[reuse].thread, t, memory_order_release);
}

/* What the one thread of a forked child was called in its parents: locks it took there still carry that number. */
static int forked_tid[8];
static unsigned nr_forked;
static struct thread *forked;

struct thread *thread_by_tid(int tid)
{
	if (tid <= 0 || !tids)
		return NULL;
	for (unsigned n = 0; unlikely(n < nr_forked); n++)
		if (forked_tid[n] == tid && forked->tid)
			return forked;
	uint32_t i = tid_hash(tid);
	for (uint32_t n = 0; n < 64; n++, i = (i + 1) % TID_SLOTS) {
		int have = atomic_load_explicit(&tids[i].tid, memory_order_relaxed);
		if (have == 0)
			return NULL;
		if (have == tid) {
			struct thread *t = atomic_load_explicit(&tids[i].thread, memory_order_acquire);
			return t && t->tid == tid ? t : NULL;
		}
	}
	return NULL;
}

static void tid_drop(int tid, struct thread *t)
{
	uint32_t i = tid_hash(tid);
	for (uint32_t n = 0; tids && n < 64; n++, i = (i + 1) % TID_SLOTS)
		if (tids[i].tid == tid && tids[i].thread == t)
			atomic_store_explicit(&tids[i].thread, NULL, memory_order_release);
}

struct thread_info *thread_by_id(uint32_t id)
{
	if (!id || id > atomic_load_explicit(&nr_infos, memory_order_acquire))
		return NULL;
	struct thread_info *chunk = atomic_load_explicit(&infos[(id - 1) >> INFO_BITS], memory_order_acquire);
	return chunk ? &chunk[(id - 1) & (INFO_CHUNK - 1)] : NULL;
}

static struct thread_info *info_new_locked(void)
{
	uint32_t i = nr_infos;
	if (i >= MAX_INFO_CHUNKS * INFO_CHUNK || !infos)
		return NULL;
	struct thread_info *chunk = infos[i >> INFO_BITS];
	if (!chunk) {
		chunk = arena_map(INFO_CHUNK * sizeof *chunk);
		if (!chunk)
			return NULL;
		atomic_store_explicit(&infos[i >> INFO_BITS], chunk, memory_order_release);
	}
	struct thread_info *info = &chunk[i & (INFO_CHUNK - 1)];
	info->id = i + 1;
	atomic_store_explicit(&nr_infos, i + 1, memory_order_release);
	return info;
}

struct thread_info *thread_new(uint32_t parent, uint32_t born_seg, uint32_t created, bool detached)
{
	spin_lock(&lock);
	struct thread_info *info = info_new_locked();
	if (info) {
		info->parent = parent;
		info->born_seg = born_seg;
		info->created = created;
		info->flags = detached ? THREAD_DETACHED : 0;
		info->next_joinable = joinable;
		joinable = info;
		/* Alive from here on: it may run before its creator does. */
		atomic_fetch_add(&nr_live, 1);
	}
	spin_unlock(&lock);
	return info;
}

static void unlink_joinable_locked(struct thread_info *info)
{
	for (struct thread_info **l = &joinable; *l; l = &(*l)->next_joinable)
		if (*l == info) {
			*l = info->next_joinable;
			return;
		}
}

void thread_unborn(struct thread_info *info)
{
	spin_lock(&lock);
	info->flags |= THREAD_FAILED | THREAD_ENDED;
	atomic_fetch_sub(&nr_live, 1);
	unlink_joinable_locked(info);
	spin_unlock(&lock);
}

void thread_drop_handle(struct thread_info *info)
{
	spin_lock(&lock);
	unlink_joinable_locked(info);
	spin_unlock(&lock);
}

struct thread_info *thread_by_handle(uintptr_t handle, bool *joined)
{
	struct thread_info *found = NULL;
	*joined = false;
	spin_lock(&lock);
	for (struct thread_info *i = joinable; i && !found; i = i->next_joinable)
		if (i->handle == handle && !(i->flags & THREAD_JOINED))
			found = i;
	spin_unlock(&lock);
	if (found)
		return found;
	for (uint32_t id = thread_count(), n = 0; id && n < 4096; id--, n++) {
		struct thread_info *i = thread_by_id(id);
		if (i->handle == handle && i->flags & THREAD_JOINED) {
			*joined = true;
			return i;
		}
	}
	return NULL;
}

static struct thread *slot_get_locked(void)
{
	struct thread *t = idle;
	if (t) {
		idle = t->next;
		return t;
	}
	t = arena_map(sizeof *t);
	struct held *held = t ? arena_alloc(FIRST_HELD * sizeof *held) : NULL;
	if (!held)
		return NULL;
	t->held = held;
	t->room = FIRST_HELD;
	return t;
}

struct thread *thread_attach(struct thread_info *info, uintptr_t handle, uintptr_t stack_lo, uintptr_t stack_hi)
{
	int tid = sys_gettid();
	spin_lock(&lock);
	if (!info) {
		info = info_new_locked();
		if (info) {
			info->flags = THREAD_UNSEEN;
			info->next_joinable = joinable;
			joinable = info;
			atomic_fetch_add(&nr_live, 1);
		}
	}
	struct thread *t = info ? slot_get_locked() : NULL;
	if (t) {
		t->nr_held = 0;
		t->top.nr_held = t->first.stamp = t->held_low = t->held_holes = 0;
		t->seg = 0;
		t->id = info->id;
		t->tid = tid;
		t->info = info;
		t->tls = &tls;
		t->stack_objects = UINTPTR_MAX;
		t->wait.kind = WAIT_NONE;
		t->wait.seq += t->wait.seq & 1;
		t->exit_rounds = 0;
		t->disowned = 0;
		t->cancelled = false;
		t->wait.nested = 0;
		info->tid = tid;
		info->handle = handle;
		t->prev = NULL;
		t->next = live;
		if (live)
			live->prev = t;
		live = t;
		tid_put(tid, t);
		atomic_store_explicit(&info->live, t, memory_order_release);
	}
	spin_unlock(&lock);
	if (t) {
		stack_cache_reset(&t->stacks, stack_lo, stack_hi);
		t->stacks.call = NULL;
		t->names_asked = 0;
		tls.thread = t;
	}
	return t;
}

void thread_detach(struct thread *t)
{
	thread_name(0, t->info->name);
	spin_lock(&lock);
	tid_drop(t->tid, t);
	if (t == forked)
		nr_forked = 0;
	t->info->flags |= THREAD_ENDED;
	atomic_store_explicit(&t->info->live, NULL, memory_order_release);
	if (t->info->flags & (THREAD_DETACHED | THREAD_JOINED))
		unlink_joinable_locked(t->info);
	if (t->prev)
		t->prev->next = t->next;
	else
		live = t->next;
	if (t->next)
		t->next->prev = t->prev;
	atomic_fetch_sub(&nr_live, 1);
	t->tid = 0;
	t->nr_held = 0;
	t->next = idle;
	idle = t;
	spin_unlock(&lock);
	tls.thread = NULL;
}

void thread_each(bool (*f)(struct thread *, void *), void *arg)
{
	spin_lock(&lock);
	for (struct thread *t = live; t; t = t->next)
		if (!f(t, arg))
			break;
	spin_unlock(&lock);
}

uint32_t thread_count(void) { return atomic_load_explicit(&nr_infos, memory_order_acquire); }
uint32_t thread_live(void) { return atomic_load_explicit(&nr_live, memory_order_relaxed); }

void thread_name(int tid, char out[16])
{
	char path[48] = "/proc/self/task/", text[32];
	size_t n = strlen(path), digits = 1;
	if (!tid)
		tid = sys_gettid();
	for (int v = tid; v >= 10; v /= 10)
		digits++;
	for (size_t i = digits; i-- > 0; tid /= 10)
		path[n + i] = (char)('0' + tid % 10);
	memcpy(path + n + digits, "/comm", 6);
	long len = sys_read_file(path, text, sizeof text);
	if (len <= 0)
		return;
	if (text[len - 1] == '\n')
		len--;
	if (len > 15)
		len = 15;
	memcpy(out, text, (size_t)len);
	out[len] = 0;
}

void thread_poke_all(uint32_t poke)
{
	spin_lock(&lock);
	for (struct thread *t = live; t; t = t->next)
		atomic_fetch_or_explicit(&t->tls->poked, poke, memory_order_release);
	spin_unlock(&lock);
}

bool thread_grow_held_slow(struct thread *t)
{
	/* The old array is not given back: a walk of the wait-for graph may be reading it. They add up to less than the new one. */
	struct held *bigger = arena_alloc(2 * (size_t)t->room * sizeof *bigger);
	if (!bigger)
		return false;
	memcpy(bigger, t->held, t->room * sizeof *bigger);
	t->held = bigger;
	t->room *= 2;
	return true;
}

void thread_fork_child(struct thread *self)
{
	spin_reset(&lock);
	for (struct thread *t = live, *next; t; t = next) {
		next = t->next;
		if (t == self)
			continue;
		t->info->flags |= THREAD_ENDED | THREAD_UNFORKED;
		t->info->live = NULL;
		t->tid = 0;
		t->nr_held = 0;
		t->wait.seq += t->wait.seq & 1;
		t->wait.kind = WAIT_NONE;
		t->next = idle;
		idle = t;
	}
	live = self;
	joinable = NULL;
	nr_live = self ? 1 : 0;
	if (tids)
		memset(tids, 0, TID_SLOTS * sizeof *tids);
	if (self) {
		self->next = self->prev = NULL;
		if (nr_forked < ARRAY_SIZE(forked_tid))
			forked_tid[nr_forked++] = self->tid;
		forked = self;
		self->tid = self->info->tid = sys_gettid();
		tid_put(self->tid, self);
	}
}
