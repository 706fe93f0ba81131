/* race_found.c - A race as a finding: who, where, under which locks, and what lies there. */
#include "detect/race_found.h"

#include "core/depot.h"
#include "core/heap.h"
#include "core/module.h"
#include "core/object.h"
#include "core/thread.h"
#include "detect/emit.h"
#include "detect/emit_fields.h"
#include "detect/race_set.h"

#include <string.h>

#define TOLD      8192u
#define MAX_HOLDS 32u
#define TCB_BYTES 2304ul

/* Pairs of places that have been told, or are being told: a race in a loop comes by a million times. */
static _Atomic uint64_t told[TOLD];

static bool told_before(const struct race_report *r, bool chance)
{
	uint64_t a = (uint64_t)r->now.stack << 2 | r->now.write, b = (uint64_t)r->before.stack << 2 | r->before.write;
	uint64_t key = (a < b ? a : b) * 0x9e3779b97f4a7c15ull ^ (a < b ? b : a) * 0xc2b2ae3d27d4eb4full;
	key = chance ? ~key : key;
	key |= !key;
	for (uint32_t n = 0, i = (uint32_t)(key >> 40) % TOLD; n < 64; n++, i = (i + 1) % TOLD) {
		uint64_t have = 0;
		if (atomic_compare_exchange_strong(&told[i], &have, key))
			return false;
		if (have == key)
			return true;
	}
	return false; /* full hereabouts: the fingerprint decides */
}

/* Made by a runtime whose inner order is its own business: hooks/openmp.h says what it means. */
static bool opaque(uint32_t stack)
{
	/* A package may bring its own, as libgomp-1234.so.1. */
	static const char *const names[] = { "libgomp.", "libgomp-", "libomp.", "libomp-", "libiomp5.", "libiomp5-" };
	const struct depot_stack *s = depot_get(stack);
	const struct module *m = s && s->nr ? module_by_id(s->frame[0].module) : NULL;
	const char *slash = m && m->path ? strrchr(m->path, '/') : NULL;
	for (unsigned i = 0; slash && i < ARRAY_SIZE(names); i++)
		if (strncmp(slash + 1, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* Stacks that free, by their number: a later one takes another's place. */
#define FREEING 1024u
static _Atomic uint32_t freeing[FREEING];

void race_found_freed(uint32_t stack)
{
	_Atomic uint32_t *slot = &freeing[stack * 0x9e3779b9u >> 22];
	if (stack && atomic_load_explicit(slot, memory_order_relaxed) != stack)
		atomic_store_explicit(slot, stack, memory_order_relaxed);
}

static bool frees(uint32_t stack)
{
	return stack && atomic_load_explicit(&freeing[stack * 0x9e3779b9u >> 22], memory_order_relaxed) == stack;
}

static bool look(struct thread *u, void *arg)
{
	struct finding_place *p = arg;
	uintptr_t tcb = atomic_load(&u->info->handle);
	const struct module *m = tcb && p->addr < tcb ? module_by_tls(tcb - p->addr) : NULL;
	if (m) { /* first: libc counts a thread's own words as its stack */
		p->what = PLACE_TLS;
		p->module = m->id;
		p->offset = atomic_load_explicit(&m->tls_below, memory_order_relaxed) - (tcb - p->addr);
	} else if (p->addr >= u->stacks.lo && p->addr < u->stacks.hi) {
		p->what = PLACE_THREAD_STACK;
	} else if (p->addr >= tcb - MODULE_TLS_BYTES && p->addr < tcb + TCB_BYTES) {
		p->what = PLACE_TLS;
	} else {
		return true;
	}
	p->thread = u->id;
	return false;
}

static struct finding_place place_of(uintptr_t addr)
{
	struct finding_place p = { .addr = addr };
	const struct module *m = module_find(addr);
	if (m) {
		p.what = PLACE_GLOBAL;
		p.module = m->id;
		p.offset = addr - m->bias;
		return p;
	}
	struct heap_block b;
	thread_each(look, &p);
	if (p.what == PLACE_UNKNOWN && heap_find(addr, &b)) {
		p.what = PLACE_BLOCK;
		p.start = b.addr;
		p.bytes = b.bytes;
		p.thread = b.thread;
		p.stack = b.stack;
	}
	return p;
}

static unsigned holds_of(uint32_t set, struct order_hold *h)
{
	const struct race_set *s = race_set_get(set);
	unsigned n = 0;
	for (; n < s->nr && n < MAX_HOLDS; n++)
		h[n] = (struct order_hold){ s->held[n].lock, s->held[n].stack, (uint8_t)s->held[n].key };
	return n;
}

static void put(const struct race_report *r, struct finding *x, const char *now, const char *before)
{
	struct order_hold holds[2][MAX_HOLDS];
	struct finding_access access[2] = {
		{ r->now.addr, r->now.bytes, r->now.write, frees(r->now.stack) },
		{ r->before.addr, r->before.bytes, r->before.write, frees(r->before.stack) },
	};
	struct finding_place place = place_of(r->now.addr > r->before.addr ? r->now.addr : r->before.addr);
	struct finding_thread parts[2] = {
		{ .thread = r->now.thread, .role = now, .stack = r->now.stack, .holds = holds[0],
		  .nr_holds = holds_of(r->now.set, holds[0]), .access = &access[0] },
		{ .thread = r->before.thread, .role = before, .stack = r->before.stack, .holds = holds[1],
		  .nr_holds = holds_of(r->before.set, holds[1]), .access = &access[1] },
	};
	x->thread = parts;
	x->nr_threads = 2;
	x->place = &place;
	emit_finding(x);
}

void race_found(struct thread *t, const struct race_report *r)
{
	(void)t;
	/* One by chance is told apart: the same without chance may yet come. */
	if (told_before(r, r->chance) || opaque(r->now.stack) || opaque(r->before.stack))
		return;
	uintptr_t at = r->now.addr > r->before.addr ? r->now.addr : r->before.addr;
	struct guard_usual usual = { 0 };
	if (race_hybrid) {
		guard_usual(at, &usual);
		guard_told(at);
	}
	put(r, &(struct finding){
		.kind = KIND_DATA_RACE,
		.grade = r->flag || r->chance ? GRADE_POSSIBLE : -1,
		.message = r->flag ? "one thread stores what another one's branch depends on: order by a plain flag, unless it is an atomic"
			 : r->chance ? "two threads access the same memory, at least one of them writes, and only the order in which a lock "
				       "went round kept the two apart in this run"
				     : "two threads access the same memory, at least one of them writes, and nothing orders the two",
		.flag = r->flag,
		.chance = r->chance,
		.usual = { usual.lock, usual.held, usual.all },
	}, "access", "earlier");
}

void guard_found(const struct guard_report *r)
{
	if (race_is_benign(r->bad.addr) || opaque(r->bad.stack) || opaque(r->good.stack))
		return;
	put(&(struct race_report){ .now = r->bad, .before = r->good }, &(struct finding){
		.kind = KIND_UNGUARDED_WRITE,
		.grade = -1,
		.message = "a place that is usually written under one lock is written without it, and nothing else orders that",
		.usual = { r->usual.lock, r->usual.held, r->usual.all },
	}, "access", "guarded");
}

void emit_put_access(struct fmt *f, const struct finding_access *a)
{
	field_s(f, ",\"access\":{\"op\":", a->write ? "write" : "read");
	field_u(f, ",\"size\":", a->bytes);
	field_x(f, ",\"address\":", a->addr);
	if (a->freed)
		fmt_str(f, ",\"freed\":true");
	fmt_c(f, '}');
}

void emit_put_place(struct fmt *f, const struct finding_place *p)
{
	static const char *const words[] = { "unknown", "global", "heap", "stack", "tls" };
	const struct module *m = p->module ? module_by_id(p->module) : NULL;
	field_s(f, ",\"place\":{\"what\":", words[p->what]);
	field_x(f, ",\"address\":", p->addr);
	if (m) {
		field_u(f, ",\"module\":", m->id);
		field_u(f, ",\"offset\":", p->offset);
	}
	if (p->what == PLACE_BLOCK) {
		field_x(f, ",\"start\":", p->start);
		field_u(f, ",\"size\":", p->bytes);
		field_u(f, ",\"stack\":", p->stack);
	}
	if (p->thread)
		field_u(f, ",\"thread\":", p->thread);
	fmt_c(f, '}');
}

void race_found_fork_child(void)
{
	for (uint32_t i = 0; i < TOLD; i++)
		atomic_store_explicit(&told[i], 0, memory_order_relaxed);
}
