/*
 * race_sync.c - Synchronisation locations: bytes whose loads acquire and whose stores release.
 *
 * Bytes become one when a locked instruction is about to touch them, or when of two accesses in no order one is a mere store and the
 * other a load that decides a branch (race_engine.flag): a flag, for all we can see. Then it has to hold from that very store on,
 * or what it orders is told as a race. What makes that hard: a check comes before its access. Let W be who stores, R who loads what
 * was stored; w and r their checks, so w < store < load, and r < load. R's next check after the load is c: by then R has to know
 * what W had done by w. A check that hits its plane says nothing to anybody.
 *
 * The bytes are a synchronisation location at w. Nobody has tagged them, so w is not a hit: it releases before the store. Nor is r,
 * if it comes after they were forgotten in all planes (else see below): it acquires, perhaps too early, and so leaves the place in
 * `pending`, from which c acquires once more, after the load, thus after the store, thus after the release.
 *
 * They are not. Then neither w nor r finds anything of the other, or one of them does, or both.
 * - One at least does. Each replaces what it found by one locked instruction (granule_swap; never more than it had seen) and looks
 *   at all the other records after it (granule_met): of two the later one sees the earlier one's. So does a hit: the record of that
 *   epoch still stands for it. Nothing takes it away but who is in order after it, and so in an epoch the hit is not of (the tag
 *   has changed with it); who makes the bytes a synchronisation location; or who needs the room: reads go elsewhere then
 *   (readers.c, which keeps to the same order: first the granule, then the readers), and a write's bytes order from now on.
 *   A record that a loop left ahead (race_stream.h) may stand for a hit as well, so it makes a flag, though never a race.
 * - W finds R's, in w. It takes it back, makes the bytes a synchronisation location, has them forgotten in all planes, pokes R, and
 *   releases, all before the store. If r was a hit or is under way, R has not had its next check yet when it is poked, or had its
 *   last one before r: c finds itself poked and acquires.
 *   If r comes after that, it is no hit: the first case.
 * - R finds W's, in r. W's check may be long past, so R takes all that W has done so far for released (sync_lend), and acquires
 *   that: r > w. What W does from now on belongs to another epoch (POKED_LENT), released when W comes there again.
 * - Both do: whoever is second finds a synchronisation location, and goes on as in the first case.
 *
 * Who is between its look at the granule and its tag when the planes are wiped would tag what must not be tagged: it has said so
 * (race_busy), and is waited for or, if it does not run, given another tag (clock_settle).
 *
 * What is left: a tag that comes around while an old one of the same bytes still stands (race_tag_step: not within 60 releases); a
 * signal handler whose own accesses come between r and the load, and take the poke for themselves; reads there is no room for any
 * more (readers_full), and writes to a granule of more than three threads' that is no flag so far, whose room one takes that is in order
 * with them; a record that a loop copies over one made in the same few instructions.
 */
#include "detect/race_inside.h"

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
void sync_plain(struct thread *t, uintptr_t addr, bool write)
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

/* Bytes of one granule that become a synchronisation location. */
struct making {
	struct race_thread *rt;
	struct granule *g;
	uintptr_t addr;
	uint64_t mask;
	bool all; /* not known who has read them */
	unsigned nr;
	uint32_t reader[8];
};

/* A record loses them. order: even if it is in order with who does that. */
static void take_back(struct making *m, uint64_t r, bool order)
{
	struct race_thread *from = clock_slot(slot_of(r));
	if (is_latent(r))
		return;
	if (is_many(r)) {
		m->all = true;
	} else if (r & RECORD_WRITE) {
		if (from && (order || !knows(m->rt, r)) && from != m->rt) {
			sync_lend(KEY_ATOMIC(m->addr), from);
			clock_lent(from, POKED_LENT);
		}
	} else if (slot_of(r) != m->rt->slot) {
		if (m->nr < ARRAY_SIZE(m->reader))
			m->reader[m->nr++] = slot_of(r);
		else
			m->all = true;
	}
}

/* False: another thread came in between. */
static bool make(struct making *m)
{
	unsigned put = GRANULE_RECORDS, empty = GRANULE_RECORDS, whole = GRANULE_RECORDS;
	uint64_t r[GRANULE_RECORDS], record = RECORD_SYNC | m->mask;
	for (unsigned i = GRANULE_RECORDS; i-- > 0;) {
		r[i] = atomic_load_explicit(&m->g->record[i], memory_order_relaxed);
		if (is_sync(r[i])) {
			put = i;
			record |= r[i] & RECORD_MASK;
		} else if (!r[i]) {
			empty = i;
		} else if (r[i] & m->mask) {
			take_back(m, r[i], false);
			whole = r[i] & RECORD_MASK & ~m->mask ? whole : i;
		}
	}
	put = put < GRANULE_RECORDS ? put : empty < GRANULE_RECORDS ? empty : whole;
	if (put == GRANULE_RECORDS) {
		put = granule_victim(r, m->rt);
		put = put < GRANULE_RECORDS ? put : 0;
		if (slot_of(r[put]) && (r[put] & RECORD_WRITE || !knows(m->rt, r[put]))) { /* nobody else would hear of it */
			take_back(m, r[put], true);
			record |= r[put] & RECORD_MASK;
			m->mask |= r[put] & RECORD_MASK;
		}
	}
	if (r[put] != record && !granule_swap(m->g, put, r[put], record))
		return false;
	for (unsigned i = 0; i < GRANULE_RECORDS; i++) {
		uint64_t left = !is_sync(r[i]) && r[i] & RECORD_MASK & ~m->mask ? r[i] & ~m->mask : 0;
		if (i != put && left != r[i] && !granule_swap(m->g, i, r[i], left))
			return false;
	}
	return true;
}

void sync_make(struct granule *g, uintptr_t addr, uint64_t mask, struct race_thread *rt, bool all)
{
	struct making m = { .rt = rt, .g = g, .addr = addr, .mask = mask, .all = all };
	bool full = true;
	for (unsigned i = 0; i < GRANULE_RECORDS; i++) {
		uint64_t r = atomic_load_explicit(&g->record[i], memory_order_relaxed);
		if (is_sync(r) && !(mask & ~r))
			return;
		full &= r != 0;
	}
	m.all |= full;
	/* Twice: those who were recording an access when it began have done so by the second time. */
	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned tries = 0; tries < 64 && !make(&m); tries++)
			__builtin_ia32_pause();
		if (pass == 0)
			clock_settle(rt, addr);
	}
	unsigned bits = (unsigned)(m.mask >> RECORD_SHIFT), first = (unsigned)__builtin_ctz(bits);
	if (race_engine.forget_all)
		race_engine.forget_all((addr & ~7ul) + first, 32 - (unsigned)__builtin_clz(bits) - first);
	/* Whoever has read it may be about to read it once more without asking; those that were let go, if any, are not known. */
	if (m.all)
		clock_poke(NULL, rt, KEY_ATOMIC(addr));
	for (unsigned i = 0; !m.all && i < m.nr; i++)
		clock_poke(clock_slot(m.reader[i]), rt, KEY_ATOMIC(addr));
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
		sync_make(g, addr, granule_mask(addr, (unsigned)(stop - addr)), t->race, false);
		addr = stop;
	}
}

void race_atomic(uintptr_t addr, size_t bytes)
{
	uintptr_t end = addr + bytes;
	for (uintptr_t stop; addr < end && end >> 47 == 0; addr = stop) {
		stop = (addr | 7) + 1 < end ? (addr | 7) + 1 : end;
		struct granule *g = shadow_get(addr);
		uint64_t mask = granule_mask(addr, (unsigned)(stop - addr)), r;
		for (unsigned i = 0; g && i < GRANULE_RECORDS; i++) {
			r = atomic_load_explicit(&g->record[i], memory_order_relaxed);
			if ((!r || is_latent(r)) && granule_swap(g, i, r, RECORD_LATENT | r | mask))
				break;
		}
	}
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
		sync_make(g, addr, granule_mask(addr, (unsigned)(stop - addr)), rt, false);
		if (acquires)
			sync_recv(t, KEY_ATOMIC(addr));
		sync_send(t, KEY_ATOMIC(addr));
		addr = stop;
	}
	if (acquires)
		rt->pending |= KEY_ATOMIC(end - bytes) | (KEY_ATOMIC(end - bytes) != KEY_ATOMIC(end - 1) ? PENDING_NEXT : 0);
}
