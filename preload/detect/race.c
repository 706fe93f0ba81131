/*
 * race.c - The rule: FastTrack on bytes, with room for three accesses in a granule.
 *
 * A new access is checked against each kept one that shares a byte with it, is another thread's, and of which one at least
 * writes: unless its epoch is known to this thread, the two are in no order, a race. Then it is kept itself, in place of what
 * it makes superfluous: whoever is in no order with that one is in no order with this one either. When there is no room a read
 * is let go rather than a write, another thread's rather than one's own.
 *
 * Granules with a synchronisation location carry a record of slot 0 whose mask says which bytes.
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

/* One loads it and the other stores it, the same whole word. Both are looked at where they stand in the code. */
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
	unsigned nr = 1;
	const struct depot_stack *s = depot_get(r->stack);
	for (; read_pc[0] && nr < ARRAY_SIZE(read_pc) && nr < s->nr; nr++) {
		const struct module *m = module_by_id(s->frame[nr].module);
		if (!m)
			break;
		read_pc[nr] = m->bias + s->frame[nr].offset;
	}
	bool yes = read_pc[0] && write_pc && race_engine.flag(read_pc, nr, write_pc);
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

/* True: from now on it orders. */
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
	theirs = (unsigned)one_access(r >> RECORD_SHIFT & 255, mine, x.before.stack);
	x.now.addr = (addr & ~7ul) + (unsigned)__builtin_ctz(mine);
	x.now.bytes = (uint8_t)__builtin_popcount(mine);
	x.before.addr = (addr & ~7ul) + (unsigned)__builtin_ctz(theirs);
	x.before.bytes = (uint8_t)__builtin_popcount(theirs);
	x.flag = is_flag(&x);
	if (!race_is_benign(x.now.addr > x.before.addr ? x.now.addr : x.before.addr))
		found_race(a->t, &x);
	return x.flag;
}

static void make_sync(struct granule *g, uintptr_t addr, uint64_t mask, struct race_thread *rt);

/* A write, and those reads that record `many` stands for. True: it is a flag, and nothing has been forgotten: make_sync is to tell
 * the readers. */
static bool write_after_many(const struct access *a, struct granule *g, uintptr_t addr, uint64_t mask, uint64_t many, bool keep)
{
	uint64_t r[READERS];
	uint32_t context[READERS];
	bool flag = false;
	unsigned nr = readers_take(g, many, mask, false, r, context);
	for (unsigned i = 0; i < nr && !flag; i++)
		if (a->rt->vc[slot_of(r[i])] < r[i] >> 32 && !(r[i] & RECORD_GUESS))
			flag = report(a, addr, mask & r[i], r[i], context[i]);
	if (keep && !flag)
		readers_take(g, many, mask, true, r, context);
	return flag;
}

/* One granule: what is in no order is told. keep: record the access, not only check it. False: a synchronisation location is among
 * its bytes. */
static bool rule(const struct access *a, struct granule *g, uintptr_t addr, uint64_t mask, bool keep)
{
	struct race_thread *rt = a->rt;
	if (likely(keep && granule_access(rt, g, mask, a->write, a->context, false)))
		return true;
	uint64_t r[GRANULE_RECORDS], contexts = atomic_load_explicit(&g->contexts, memory_order_relaxed);
	unsigned many = GRANULE_RECORDS;
	for (unsigned i = 0; i < GRANULE_RECORDS; i++) {
		r[i] = atomic_load_explicit(&g->record[i], memory_order_relaxed);
		if (is_sync(r[i]) && r[i] & mask)
			return false;
		if (is_many(r[i]))
			many = i;
	}
	if (many < GRANULE_RECORDS && a->write && r[many] & mask) {
		if (write_after_many(a, g, addr, mask, r[many], keep) && keep) {
			make_sync(g, addr, mask, rt);
			return false;
		}
		r[many] = r[many] & RECORD_MASK & ~mask ? r[many] & ~mask : 0;
		if (keep)
			atomic_store_explicit(&g->record[many], r[many], memory_order_relaxed);
	}
	for (unsigned i = 0; i < GRANULE_RECORDS; i++) {
		if (i == many || !(r[i] & mask) || r[i] & RECORD_GUESS || rt->vc[slot_of(r[i])] >= r[i] >> 32 || !(a->write || r[i] & RECORD_WRITE))
			continue;
		if (report(a, addr, mask & r[i], r[i], context_of(r[i], contexts, i)) && keep) {
			make_sync(g, addr, mask, rt);
			return false;
		}
	}
	/* Said; from now on the newer one speaks for both. */
	if (!keep)
		return true;
	rt->nonempty = true;
	return readers_beside(g, r, many, rt->epoch | mask | context_bits(a->context), a->context, a->write) ||
	       granule_access(rt, g, mask, a->write, a->context, true);
}

/* What was released to a place we have read from since the last look. */
void race_catch_up(struct thread *t)
{
	uintptr_t pending = t->race->pending;
	t->race->pending &= PENDING_IGNORE | PENDING_SLOW;
	if (unlikely(t->race->poked)) {
		uintptr_t key = atomic_exchange(&t->race->poked, 0);
		if (key & (POKED_LENT | POKED_STEP))
			clock_step(t->race);
		if (key & (POKED_LENT | POKED_ALL))
			clock_learn_all(t->race);
		if (key & ~7ul)
			sync_recv(t, key & ~7ul);
	}
	if (pending & ~7ul)
		sync_recv(t, pending & ~7ul);
	if (pending & PENDING_NEXT)
		sync_recv(t, (pending & ~7ul) + 8);
}

/* Bytes of one granule that are synchronisation locations: plain loads acquire, plain stores release. */
static void plain_sync(struct thread *t, uintptr_t addr, bool write)
{
	if (write) {
		sync_send(t, KEY_ATOMIC(addr));
	} else {
		if (race_is_behind(t->race))
			race_catch_up(t);
		sync_recv(t, KEY_ATOMIC(addr));
		t->race->pending |= KEY_ATOMIC(addr);
	}
}

struct access race_access_of(struct thread *t, bool write, uint32_t stack)
{
	struct access a = { .t = t, .rt = t->race, .write = write, .stack = stack };
	a.context = race_context_slow(t, stack);
	return a;
}

static uint64_t mask_of(uintptr_t addr, uintptr_t stop) { return (uint64_t)((0xffu >> (8 - (stop - addr))) << (addr & 7)) << RECORD_SHIFT; }

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
		make_sync(g, addr, mask, a->rt);
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
		if (!rule(&a, g, addr, mask_of(addr, stop), true) || (unlikely(race_hybrid) && !by_locks(&a, g, addr, mask_of(addr, stop), true))) {
			tag = false;
			if (race_is_behind(rt))
				race_catch_up(t);
			plain_sync(t, addr, write);
		}
		addr = stop;
	}
	if (unlikely(race_hybrid) && tag)
		hybrid_tagged(t, end - bytes, bytes);
	return tag;
}

/*
 * Bytes become a synchronisation location. What plain stores have been there may have been releases, of all their thread had
 * done: unless already ordered, everything the thread has done by now counts as released.
 */
static void make_sync(struct granule *g, uintptr_t addr, uint64_t mask, struct race_thread *rt)
{
	uint32_t readers[GRANULE_RECORDS * 2];
	unsigned nr_readers = 0;
	bool full = g->record[0] && g->record[1] && g->record[2];
	/* Twice: those who were recording an access when it began have done so by the second time. */
	for (unsigned pass = 0; pass < 2; pass++) {
		unsigned put = GRANULE_RECORDS, empty = GRANULE_RECORDS;
		uint64_t r[GRANULE_RECORDS], all = mask;
		for (unsigned i = GRANULE_RECORDS; i-- > 0;) {
			r[i] = atomic_load_explicit(&g->record[i], memory_order_relaxed);
			if (is_sync(r[i])) {
				put = i;
				all |= r[i] & RECORD_MASK;
				if (pass == 0 && !(mask & ~r[i]))
					return;
			} else if (!r[i]) {
				empty = i;
			} else if (is_many(r[i])) {
				uint64_t left = r[i] & RECORD_MASK & ~mask ? r[i] & ~mask : 0;
				full |= (r[i] & mask) != 0;
				readers[nr_readers] = 0;
				nr_readers += (r[i] & mask) != 0;
				atomic_store_explicit(&g->record[i], r[i] = left, memory_order_relaxed);
				if (!left)
					empty = i;
			} else if (r[i] & mask) {
				struct race_thread *from = clock_slot(slot_of(r[i]));
				if (r[i] & RECORD_WRITE && from && rt->vc[slot_of(r[i])] < r[i] >> 32) {
					sync_lend(KEY_ATOMIC(addr), from);
					clock_lent(from, POKED_LENT);
				}
				if (!(r[i] & RECORD_WRITE) && slot_of(r[i]) != rt->slot)
					readers[nr_readers++] = slot_of(r[i]);
				uint64_t left = r[i] & RECORD_MASK & ~mask ? r[i] & ~mask : 0;
				atomic_store_explicit(&g->record[i], r[i] = left, memory_order_relaxed);
				if (!left)
					empty = i;
			}
		}
		if (put == GRANULE_RECORDS)
			put = empty;
		if (put == GRANULE_RECORDS)
			put = granule_victim(r, rt);
		if (r[put] != (1ull << 32 | all))
			atomic_store(&g->record[put], 1ull << 32 | all);
		if (pass == 0)
			clock_settle(rt, addr);
	}
	if (race_engine.forget_all)
		race_engine.forget_all(addr, (size_t)__builtin_popcountll(mask));
	/* Whoever has read it may be about to read it once more without asking; those that were let go, if any, are not known. */
	for (unsigned i = 0; i < nr_readers; i++)
		clock_poke(full ? NULL : clock_slot(readers[i]), rt, KEY_ATOMIC(addr));
}

void race_sync_mark(struct thread *t, uintptr_t addr, unsigned bytes)
{
	uintptr_t end = addr + bytes;
	if (unlikely(!t->race || race_stopped || end < addr || end >> 47))
		return;
	while (addr < end) {
		uintptr_t stop = (addr | 7) + 1 < end ? (addr | 7) + 1 : end;
		struct granule *g = shadow_get(addr);
		if (!g)
			return;
		make_sync(g, addr, mask_of(addr, stop), t->race);
		addr = stop;
	}
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

void access_sync(struct thread *t, uintptr_t addr, unsigned bytes, bool acquires, uint32_t stack)
{
	uintptr_t end = addr + bytes;
	struct race_thread *rt = t->race;
	(void)stack;
	if (unlikely(!rt || race_stopped || end < addr || end >> 47))
		return;
	if (race_is_behind(rt))
		race_catch_up(t);
	while (addr < end) {
		uintptr_t stop = (addr | 7) + 1 < end ? (addr | 7) + 1 : end;
		struct granule *g = shadow_get(addr);
		if (!g)
			return;
		make_sync(g, addr, mask_of(addr, stop), rt);
		if (acquires)
			sync_recv(t, KEY_ATOMIC(addr));
		sync_send(t, KEY_ATOMIC(addr));
		addr = stop;
	}
	if (acquires)
		rt->pending |= KEY_ATOMIC(end - bytes) | (KEY_ATOMIC(end - bytes) != KEY_ATOMIC(end - 1) ? PENDING_NEXT : 0);
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
