/*
 * race.c - The rule: FastTrack on bytes, with room for three accesses in a granule.
 *
 * A new access is checked against each kept one that shares a byte with it, is another thread's, and of which one at least
 * writes: unless its epoch is known to this thread, the two are in no order, a race. Then it is kept itself, in place of what
 * it makes superfluous: whoever is in no order with that one is in no order with this one either. When there is no room a read
 * is let go rather than a write, another thread's rather than one's own.
 *
 * Granules with a synchronisation location carry a record of slot 0 whose mask says which bytes (race_sync.c).
 */
#include "detect/race_inside.h"

#include "core/depot.h"
#include "core/heap.h"
#include "core/module.h"
#include "core/thread.h"
#include "detect/guard.h"
#include "detect/hybrid.h"
#include "detect/race_found.h"

bool race_on, race_wanted;
_Atomic uint64_t race_guesses[1024];
const char *_Atomic race_stopped;
struct race_engine race_engine;
static void (*found_race)(struct thread *, const struct race_report *);

bool race_start(const struct race_engine *engine, void (*found)(struct thread *, const struct race_report *))
{
	if (engine)
		race_engine = *engine;
	found_race = found ? found : race_found;
	race_on = shadow_start() && sync_start() && readers_start() && (!race_hybrid || hybrid_start());
	return race_on;
}

bool race_begin(struct thread *t, const struct race_engine *engine)
{
	if (race_on || !race_wanted || thread_live() != 1)
		return race_on;
	if (!heap_on && !heap_start())
		return false;
	if (race_start(engine, NULL))
		race_thread_started(t);
	return race_on;
}

void race_stop(const char *why)
{
	const char *none = NULL;
	atomic_compare_exchange_strong(&race_stopped, &none, why);
}

/* Where races are meant. Few; kept for ever. */
static struct benign {
	uintptr_t lo, hi;
} benign[256];
static _Atomic uint32_t nr_benign;

void race_benign(uintptr_t addr, size_t bytes)
{
	uint32_t i = atomic_load(&nr_benign);
	for (uint32_t k = 0; k < i && k < ARRAY_SIZE(benign); k++)
		if (benign[k].lo <= addr && addr + bytes <= benign[k].hi)
			return;
	i = atomic_fetch_add(&nr_benign, 1);
	if (i < ARRAY_SIZE(benign))
		benign[i] = (struct benign){ addr, addr + bytes };
	else
		atomic_store(&nr_benign, ARRAY_SIZE(benign));
}

bool race_is_benign(uintptr_t addr)
{
	uint32_t nr = atomic_load_explicit(&nr_benign, memory_order_acquire);
	for (uint32_t i = 0; i < nr && i < ARRAY_SIZE(benign); i++)
		if (benign[i].lo <= addr && addr < benign[i].hi)
			return true;
	return false;
}

static uintptr_t pc_of(uint32_t stack)
{
	const struct depot_stack *s = depot_get(stack);
	const struct module *m = s && s->nr && s->frame[0].exact ? module_by_id(s->frame[0].module) : NULL;
	return m ? m->bias + s->frame[0].offset : 0;
}

/* One loads it and the other stores it, the same whole word. Both are looked at where they stand in the code, unless that has been
 * lost with the record's other half. */
static bool is_flag(const struct race_report *x)
{
	const struct race_side *w = x->now.write ? &x->now : &x->before, *r = x->now.write ? &x->before : &x->now;
	if (!race_engine.flag || r->write || w->addr != r->addr || w->bytes != r->bytes || w->bytes & (w->bytes - 1) ||
	    w->addr % w->bytes)
		return false;
	/* A race in a loop comes by a million times: what was found out is kept, by the pair of stacks. */
	static _Atomic uint64_t known[1024];
	uint64_t key = ((uint64_t)r->stack << 31 | (w->stack & 0x7fffffff)) << 1;
	_Atomic uint64_t *place = &known[(key * 0x9e3779b97f4a7c15ull) >> 54];
	uint64_t have = atomic_load_explicit(place, memory_order_relaxed);
	if ((have & ~1ull) == key)
		return have & 1;
	uintptr_t read_pc[3] = { pc_of(r->stack) }, write_pc = pc_of(w->stack);
	unsigned nr = read_pc[0] != 0;
	const struct depot_stack *s = depot_get(r->stack);
	for (; read_pc[0] && nr < ARRAY_SIZE(read_pc) && nr < s->nr; nr++) {
		const struct module *m = module_by_id(s->frame[nr].module);
		if (!m)
			break;
		read_pc[nr] = m->bias + s->frame[nr].offset;
	}
	bool yes = (read_pc[0] || !r->stack) && (write_pc || !w->stack) && race_engine.flag(read_pc, nr, write_pc);
	atomic_store_explicit(place, key | yes, memory_order_relaxed);
	return yes;
}

/* A record may stand for several accesses of one instruction side by side: the one of them that the bytes in `both` belong to. */
static uint64_t one_access(uint64_t theirs, uint64_t both, uint32_t stack)
{
	static _Atomic uint64_t known[256]; /* stack << 8 | bytes */
	_Atomic uint64_t *place = &known[stack % ARRAY_SIZE(known)];
	uint64_t have = atomic_load_explicit(place, memory_order_relaxed);
	if (!race_engine.size || !stack || both == theirs)
		return theirs;
	if (have >> 8 != stack) {
		uintptr_t pc = pc_of(stack);
		have = (uint64_t)stack << 8 | ((pc ? race_engine.size(pc) : 0) & 255);
		atomic_store_explicit(place, have, memory_order_relaxed);
	}
	unsigned bytes = have & 255;
	if (!bytes || bytes > 4 || bytes & (bytes - 1))
		return theirs;
	uint64_t one = ((1ull << bytes) - 1) << ((unsigned)__builtin_ctzll(both) & ~(bytes - 1));
	return one & ~theirs || both & ~one ? theirs : one;
}

/* Told, unless nobody has seen the other one (RECORD_GUESS). True: from now on it orders. */
static bool report(const struct access *a, uintptr_t addr, uint64_t mask, uint64_t r, uint32_t context)
{
	unsigned mine = (unsigned)(mask >> RECORD_SHIFT) & 255, theirs;
	struct race_report x = {
		.now = { .thread = a->t->id, .stack = a->stack, .set = a->rt->set, .write = a->write },
		.before = { .thread = clock_owner(slot_of(r), (uint32_t)(r >> 32)), .write = (r & RECORD_WRITE) != 0 },
	};
	race_context_parts(context, &x.before.stack, &x.before.set);
	if (x.now.set == RACE_NO_SET)
		x.now.set = 0;
	theirs = x.before.stack ? (unsigned)one_access(r >> RECORD_SHIFT & 255, mine, x.before.stack) : mine;
	x.now.addr = (addr & ~7ul) + (unsigned)__builtin_ctz(mine);
	x.now.bytes = (uint8_t)__builtin_popcount(mine);
	x.before.addr = (addr & ~7ul) + (unsigned)__builtin_ctz(theirs);
	x.before.bytes = (uint8_t)__builtin_popcount(theirs);
	x.flag = is_flag(&x);
	if (!(r & RECORD_GUESS) && !race_is_benign(x.now.addr > x.before.addr ? x.now.addr : x.before.addr))
		found_race(a->t, &x);
	return x.flag;
}

/* A write, and those reads that record `many` stands for. forget: they are taken away. True: it is a flag. */
static bool write_after_many(const struct access *a, struct granule *g, uintptr_t addr, uint64_t mask, uint64_t many, bool forget)
{
	uint64_t r[READERS];
	uint32_t context[READERS];
	bool flag = false;
	unsigned nr = readers_take(g, many, mask, forget, r, context);
	for (unsigned i = 0; i < nr && !flag; i++)
		if (!knows(a->rt, r[i]))
			flag = report(a, addr, mask & r[i], r[i], context[i]);
	return flag;
}

/* Two writes of one epoch become one: of these bytes it is known that they have been written, but no longer where. False: there are none. */
static bool make_room(struct granule *g, const uint64_t *r)
{
	for (unsigned i = 0; i < GRANULE_RECORDS; i++)
		for (unsigned k = i + 1; k < GRANULE_RECORDS; k++)
			if (slot_of(r[i]) && r[i] & RECORD_WRITE && !((r[i] ^ r[k]) & ~(RECORD_MASK | RECORD_CONTEXT)))
				return granule_put(g, i, r[i], (r[i] | r[k]) & ~RECORD_CONTEXT, 0) && granule_swap(g, k, r[k], 0);
	return false;
}

/* One granule: what is in no order is told. keep: record the access, not only check it. False: a synchronisation location is among
 * its bytes. */
static bool rule(const struct access *a, struct granule *g, uintptr_t addr, uint64_t mask, bool keep)
{
	struct race_thread *rt = a->rt;
	const uint64_t *told = NULL;
	uint64_t r[GRANULE_RECORDS], before[GRANULE_RECORDS];
	/* Again as long as others come in between. */
	for (unsigned tries = 0; tries < 16; tries++) {
		if (likely(keep && granule_access(rt, g, mask, a->write, a->context, told)))
			return true;
		uint64_t contexts = atomic_load_explicit(&g->contexts, memory_order_relaxed);
		unsigned many = GRANULE_RECORDS, news = 0, nr = 0;
		for (unsigned i = 0; i < GRANULE_RECORDS; i++) {
			r[i] = atomic_load_explicit(&g->record[i], memory_order_relaxed);
			if (is_sync(r[i]) && r[i] & mask)
				return false;
			if (is_latent(r[i]) && r[i] & mask && a->write && keep) {
				sync_make(g, addr, mask, rt, false);
				return false;
			}
			if (is_many(r[i]))
				many = i;
			news += !told || r[i] != before[i];
			nr += r[i] != 0;
		}
		if (keep && !news && nr == GRANULE_RECORDS) { /* no room, and nothing may be forgotten */
			if (make_room(g, r))
				continue;
			sync_make(g, addr, mask, rt, false);
			return false;
		}
		if (many < GRANULE_RECORDS && a->write && r[many] & mask) {
			uint64_t left = r[many] & RECORD_MASK & ~mask ? r[many] & ~mask : 0;
			if (keep && !granule_swap(g, many, r[many], left))
				continue;
			if (write_after_many(a, g, addr, mask, r[many], keep) && keep) {
				sync_make(g, addr, mask, rt, true);
				return false;
			}
			r[many] = left;
		}
		for (unsigned i = 0; i < GRANULE_RECORDS; i++) {
			if (!slot_of(r[i]) || !(r[i] & mask) || knows(rt, r[i]) || !(a->write || r[i] & RECORD_WRITE) || is_told(told, r[i]))
				continue;
			if (report(a, addr, mask & r[i], r[i], context_of(r[i], contexts, i)) && keep) {
				sync_make(g, addr, mask, rt, false);
				return false;
			}
			if (r[i] & RECORD_GUESS) {
				uint64_t key = guess_key(a->context, contexts, i, r[i]);
				atomic_store_explicit(guess_place(key), key, memory_order_relaxed);
			}
		}
		if (!keep)
			return true;
		/* Said; from now on the newer one speaks for both. */
		for (unsigned i = 0; i < GRANULE_RECORDS; i++)
			before[i] = r[i];
		told = before;
		rt->nonempty = true;
		if (readers_beside(g, r, many, rt->epoch | mask | context_bits(a->context), a->context, a->write) &&
		    !granule_met(rt, g, r, many, mask, a->write))
			return true;
	}
	return true;
}

struct access race_access_of(struct thread *t, bool write, uint32_t stack)
{
	struct access a = { .t = t, .rt = t->race, .write = write, .stack = stack };
	if (unlikely(t->race->set == RACE_NO_SET || !race_context_known(t->race, stack, &a.context)))
		a.context = race_context_slow(t, stack);
	return a;
}

/* What is ordered as far as locks go. False: it is order from now on, as in rule(). */
static bool by_locks(const struct access *a, struct granule *g, uintptr_t addr, uint64_t mask, bool keep)
{
	struct hybrid_access h = { .t = a->t, .addr = addr, .mask = (uint32_t)(mask >> RECORD_SHIFT), .stack = a->stack,
				   .set = hybrid_set(a->t), .write = a->write };
	struct race_report x = { .chance = true };
	if (!hybrid_seen(&h, keep, &x.before))
		return true;
	x.now = (struct race_side){ a->t->id, a->stack, h.set, (addr & ~7ul) + (unsigned)__builtin_ctz(h.mask),
				    (uint8_t)__builtin_popcount(h.mask), a->write };
	x.flag = is_flag(&x);
	if (x.flag && keep) /* so machine code looks that uses atomics: no guess upon a guess */
		sync_make(g, addr, mask, a->rt, false);
	else if (!race_is_benign(x.now.addr > x.before.addr ? x.now.addr : x.before.addr))
		found_race(a->t, &x);
	return !x.flag;
}

bool access_seen(struct thread *t, uintptr_t addr, size_t bytes, bool write, uint32_t stack)
{
	struct race_thread *rt = t->race;
	uintptr_t end = addr + bytes;
	bool tag = true;
	if (unlikely(!rt || race_stopped || rt->pending & PENDING_IGNORE || end < addr || end >> 47))
		return false;
	if (race_is_behind(rt))
		race_catch_up(t);
	struct access a = race_access_of(t, write, stack);
	while (addr < end) {
		uintptr_t stop = (addr | 7) + 1 < end ? (addr | 7) + 1 : end;
		struct granule *g = shadow_get(addr);
		if (!g)
			return false;
		uint64_t mask = granule_mask(addr, (unsigned)(stop - addr));
		if (!rule(&a, g, addr, mask, true) || (unlikely(race_hybrid) && !by_locks(&a, g, addr, mask, true))) {
			tag = false;
			if (race_is_behind(rt))
				race_catch_up(t);
			sync_plain(t, addr, write);
		}
		addr = stop;
	}
	if (unlikely(race_hybrid) && tag)
		hybrid_tagged(t, end - bytes, bytes);
	return tag;
}

void race_ignore(bool begin)
{
	struct race_thread *rt = tls.thread ? tls.thread->race : NULL;
	if (!rt)
		return;
	if (begin)
		rt->ignore_depth++;
	else if (rt->ignore_depth)
		rt->ignore_depth--;
	rt->pending = (rt->pending & ~(uintptr_t)PENDING_IGNORE) | (rt->ignore_depth ? PENDING_IGNORE : 0);
}

void race_freed(const struct access *a, struct granule *g, uintptr_t addr, uint64_t mask, bool keep)
{
	rule(a, g, addr, mask, keep);
	if (unlikely(race_hybrid))
		by_locks(a, g, addr, mask, false);
}

void race_fork_child(struct thread *self)
{
	if (!race_on)
		return;
	race_found_fork_child();
	shadow_fork_child();
	sync_fork_child();
	readers_fork_child();
	clock_fork_child();
	hybrid_fork_child();
	if (self) {
		self->race = NULL;
		race_thread_started(self);
	}
}
