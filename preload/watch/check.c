/* check.c - See check.h; the sequences are described in the comment of each function. */
#include "watch/check.h"

#include "watch/grow.h"

#define HOIST_MAX  8u  /* instructions a check may move up */
#define KNOWN_MAX  16u /* checks remembered to save others */
#define CHUNKS_MAX 11u /* pieces of one access: 8 of 64 bytes; other sizes are below 64: at most 7 and 3 */

/* %fs slots, from abi.fs_save. */
enum { SAVE_SCRATCH = 0, SAVE_RAX = 8, SAVE_FLAGS = 16 };

/* A check's stub, emitted behind the window. */
struct pending {
	const struct insn *insn;
	uint32_t site;
	uint32_t jump[CHUNKS_MAX]; /* where the rel32 of each jne stands */
	uint32_t jumps;
};

struct known {
	struct operand m;
	uint8_t size;
	bool write, stale; /* stale: there has been another check since */
};

struct out {
	struct emit *e;
	const struct window *w;
	struct pending pending[WINDOW_ACCESSES];
	uint32_t nr_pending;
	struct known known[KNOWN_MAX];
	uint32_t nr_known;
	uint32_t busy; /* registers that the window's instructions use */
	uint32_t turn; /* checks that had to save one */
};

/* Saved around a check or call: what the program still needs. */
struct saved {
	bool flags, rax, rax_used;
	bool scratch;
	uint8_t reg;
};

static bool is_sync(const struct insn *i)
{
	return (i->is & INSN_LOCKED) != 0;
}
static bool is_string(const struct insn *i)
{
	return (i->is & INSN_STRING) != 0;
}

/* Asks the entry every time. */
static bool is_always(const struct insn *i)
{
	return (i->is & (INSN_LOCKED | INSN_STRING | INSN_BITS | INSN_VECTOR)) != 0;
}

static bool checked(const struct window *w, uint32_t n)
{
	return w->watch[n] && !is_always(&w->insn[n]);
}

static uint32_t operand_regs(const struct insn *i)
{
	return (i->base < 16 ? 1u << i->base : 0) | (i->index < 16 ? 1u << i->index : 0);
}

/*
 * A register to work in, none of `taken`: dead if possible, and rather one that no unwinder needs. One that is saved and loaded again
 * is late for whoever needs it next: rather one that nobody needs around here (`busy`: the others), and not always the same.
 */
static uint8_t choose_scratch(uint32_t taken, uint32_t live, uint32_t busy, uint32_t turn, bool *dead)
{
	const uint32_t callers = GPRS_ALL & ~(1u << RBX | 1u << RBP | 0xf000u);
	uint32_t usable = GPRS_ALL & ~taken & ~(1u << RSP) & ~(live & FLAGS_ALL ? 1u << RAX : 0);
	uint32_t free = usable & ~live;
	*dead = free != 0;
	if (free)
		return (uint8_t)__builtin_ctz(free & callers ? free & callers : free);
	free = usable & callers & ~busy ? usable & callers & ~busy : usable & callers ? usable & callers : usable;
	for (turn %= (uint32_t)__builtin_popcount(free); turn; turn--)
		free &= free - 1;
	return (uint8_t)__builtin_ctz(free);
}

/*
 * Flags, where live, go by way of %rax (SAVE_RAX): lahf; seto %al. If an operand (`taken`) uses %rax it gets its value
 * back.
 */
static struct saved emit_save(struct out *o, uint32_t taken, uint32_t live, bool scratch)
{
	struct emit *e = o->e;
	struct saved s = { .flags = (live & FLAGS_ALL) != 0, .rax = live & 1u << RAX };
	s.rax_used = s.flags && (taken & 1u << RAX);
	if (scratch) {
		bool dead;
		s.reg = choose_scratch(taken, live, o->busy, o->turn, &dead);
		s.scratch = !dead;
		o->turn += !dead;
	}
	int32_t slot = e->abi->fs_save;
	if (s.flags) {
		if (s.rax)
			emit_tls(e, 8, 0x89, RAX, slot + SAVE_RAX);
		emit_bytes(e, "\x9f\x0f\x90\xc0", 4); /* lahf; seto %al */
		if (s.rax_used) {
			emit_tls(e, 8, 0x89, RAX, slot + SAVE_FLAGS);
			emit_tls(e, 8, 0x8b, RAX, slot + SAVE_RAX);
		}
		e->plan->counts.saves_flags++;
	}
	if (s.scratch) {
		emit_tls(e, 8, 0x89, s.reg, slot + SAVE_SCRATCH);
		e->plan->counts.saves_register++;
	}
	return s;
}

static void emit_restore(struct emit *e, const struct saved *s)
{
	int32_t slot = e->abi->fs_save;
	if (s->scratch)
		emit_tls(e, 8, 0x8b, s->reg, slot + SAVE_SCRATCH);
	if (!s->flags)
		return;
	if (s->rax_used)
		emit_tls(e, 8, 0x8b, RAX, slot + SAVE_FLAGS);
	emit_bytes(e, "\x04\x7f\x9e", 3); /* add $0x7f, %al: overflows if %al was 1; sahf */
	if (s->rax)
		emit_tls(e, 8, 0x8b, RAX, slot + SAVE_RAX);
}

static uint32_t add_site(struct emit *e, const struct insn *i, uint8_t flags)
{
	struct plan *p = e->plan;
	uint32_t n = p->nr_sites++;
	struct watch_site *s = (struct watch_site *)(p->image + p->sites_at) + n;
	*s = (struct watch_site){ .pc = e->code->base + i->at, .flags = flags, .check = e->at };
	if (i->is & INSN_WRITES)
		s->flags |= SITE_WRITE | ((i->is & INSN_READS) || (flags & SITE_HOISTED) ? SITE_READS : 0);
	if (is_string(i))
		s->op = SITE_STRING(i->op & 15, i->size, i->op >> 4);
	else if (i->is & INSN_BITS)
		s->op = SITE_BITS(i->size, i->op);
	else if (i->is & INSN_VECTOR)
		*s = (struct watch_site){ s->pc, i->op, s->flags, i->vector, s->check };
	else
		s->size = i->size;
	return n;
}

/*
 * lea -128(%rsp),%rsp; push %rdi; push %rsi; lea OPERAND,%rdi; lea site(%rip),%rsi; call *entry(%rip); pop %rsi;
 * pop %rdi; lea 128(%rsp),%rsp: nothing the program has below %rsp is touched.
 */
static void emit_call(struct emit *e, const struct insn *i, uint32_t site, uint32_t entry)
{
	emit_bytes(e, "\x48\x8d\x64\x24\x80\x57\x56", 7);
	if (!is_string(i)) {
		struct operand m = emit_operand(e->code, i, i->base == RSP ? 128 + 16 : 0);
		emit_flat(e, &m, m.base == RDI || m.index == RDI ? RSI : RDI);
		emit_mem(e, 0, 8, 0x8d, RDI, &m);
	}
	emit_bytes(e, "\x48\x8d\x35", 3);
	emit_rel(e, e->plan->sites_at + site * (uint32_t)sizeof(struct watch_site));
	emit_bytes(e, "\xff\x15", 2);
	emit_rel(e, entry);
	emit_bytes(e, "\x5e\x5f\x48\x8d\xa4\x24\x80\x00\x00\x00", 10);
}

/* The address is known and has no bits that shifting would drop. */
static bool at_home(const struct emit *e, const struct operand *m)
{
	if (m->index != NO_REG || m->addr32 || (m->base != BASE_RIP && m->base != NO_REG))
		return false;
	uintptr_t at = (uintptr_t)(intptr_t)m->disp + (m->base == BASE_RIP ? e->code->base : 0);
	return at << e->abi->shift >> e->abi->shift == at;
}

/* One piece of the access: mov %gs:OPERAND,%reg; or $ones,%reg (reads only); cmp %fs:write_tag,%reg; jne stub. */
static void emit_piece(struct emit *e, const struct insn *i, uint8_t reg, unsigned offset, unsigned bytes,
		       struct pending *p)
{
	static const uint16_t load[9] = { 0, 0x0fb6, 0x0fb7, 0, 0x8b, 0, 0, 0, 0x8b };
	struct operand m = emit_operand(e->code, i, (int32_t)offset);
	unsigned width = bytes == 8 ? 8 : 4;
	emit_flat(e, &m, reg);
	if (!e->abi->direct && !at_home(e, &m)) {
		emit_mem(e, 0, 8, 0x8d, reg, &m);
		emit_reg(e, 8, 0xc1, 4, reg);
		emit_8(e, (uint8_t)e->abi->shift);
		emit_reg(e, 8, 0xc1, 5, reg);
		emit_8(e, (uint8_t)e->abi->shift);
		m = (struct operand){ reg, NO_REG, 1, false, false, 0 };
	}
	emit_mem(e, SEG_GS, width, load[bytes], reg, &m);
	if (!(i->is & INSN_WRITES)) {
		if (bytes == 8) {
			emit_8(e, reg & 8 ? 0x4c : 0x48);
			emit_8(e, 0x0b);
			emit_8(e, (uint8_t)((reg & 7) << 3 | 5));
			emit_rel(e, IMAGE_ONES);
		} else {
			emit_reg(e, 4, bytes == 1 ? 0x83 : 0x81, 1, reg);
			if (bytes == 1)
				emit_8(e, 1);
			else
				emit_32(e, bytes == 2 ? 0x0101 : 0x01010101);
		}
	}
	emit_tls(e, bytes, bytes == 1 ? 0x3a : 0x3b, reg, e->abi->fs_write_tag);
	emit_bytes(e, "\x0f\x85", 2);
	p->jump[p->jumps++] = e->at;
	emit_32(e, 0);
}

static void emit_check(struct out *o, const struct insn *i, uint8_t reg, bool hoisted)
{
	struct emit *e = o->e;
	struct pending *p = &o->pending[o->nr_pending++];
	*p = (struct pending){ .insn = i, .site = add_site(e, i, hoisted ? SITE_HOISTED : 0) };
	for (unsigned done = 0, n; done < i->size; done += n) {
		unsigned left = i->size - done;
		n = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
		emit_piece(e, i, reg, done, n, p);
	}
	e->plan->ways[p->site].resume = e->at;
	e->plan->counts.checks++;
}

/* What nobody looks at after this instruction it need not acquire. */
static bool result_unused(const struct insn *i, uint32_t live_after)
{
	return !(live_after & (i->changes | (i->kills & FLAGS_ALL)));
}

/* A site that always calls: the call stands in line. */
static void emit_always(struct out *o, const struct insn *i, uint32_t live, uint32_t live_after)
{
	struct emit *e = o->e;
	bool rep = (i->is & (INSN_STRING | INSN_BITS | INSN_VECTOR)) != 0;
	uint8_t flags = (uint8_t)((rep ? SITE_REP : 0) | (is_sync(i) ? SITE_SYNC : 0) | (i->is & INSN_VECTOR ? SITE_VECTOR : 0));
	if (is_sync(i) && result_unused(i, live_after))
		flags |= i->is & INSN_XCHG ? SITE_NORETURNVALUE | SITE_STORE_ONLY : SITE_NORETURNVALUE;
	uint32_t site = add_site(e, i, flags);
	/* What the entry works the extent out from must be there. */
	struct saved s = emit_save(o, operand_regs(i) | (rep ? i->reads & GPRS_ALL : 0), live, false);
	e->plan->ways[site].stub = e->at;
	emit_call(e, i, site, rep ? IMAGE_REP : IMAGE_SYNC);
	e->plan->ways[site].resume = e->at;
	emit_restore(e, &s);
	e->plan->counts.checks++;
}

static bool same_operand(const struct operand *a, const struct operand *b)
{
	return a->base == b->base && a->index == b->index && a->addr32 == b->addr32 && a->fs == b->fs &&
	       (a->index == NO_REG || a->scale == b->scale);
}

/*
 * Already checked, with nothing in between that would make it worth doing again? If not, remember that it is now. A store that
 * follows another check is checked anew: it may be a release of what that one was for.
 */
static bool already_checked(struct out *o, const struct insn *i)
{
	struct operand m = emit_operand(o->e->code, i, 0);
	bool write = (i->is & INSN_WRITES) != 0;
	for (uint32_t k = 0; k < o->nr_known; k++) {
		const struct known *n = &o->known[k];
		int64_t from = (int64_t)m.disp - n->m.disp;
		if (same_operand(&n->m, &m) && from >= 0 && from + i->size <= n->size && (!write || (n->write && !n->stale)))
			return true;
	}
	for (uint32_t k = 0; k < o->nr_known; k++)
		o->known[k].stale = true;
	o->known[o->nr_known < KNOWN_MAX ? o->nr_known++ : KNOWN_MAX - 1] = (struct known){ m, i->size, write, false };
	return false;
}

static void forget_changed(struct out *o, const struct insn *i)
{
	uint32_t kept = 0;
	for (uint32_t k = 0; k < o->nr_known; k++) {
		const struct operand *m = &o->known[k].m;
		uint32_t regs = (m->base < 16 ? 1u << m->base : 0) | (m->index < 16 ? 1u << m->index : 0);
		if (!(regs & i->changes))
			o->known[kept++] = o->known[k];
	}
	o->nr_known = kept;
}

/* What it costs to check at a place of the window: saving flags, saving a register, or sharing that with another. */
static unsigned cost_at(const struct window *w, const struct insn *i, uint32_t k, const bool *used)
{
	bool dead;
	unsigned cost = w->live[k] & FLAGS_ALL ? 4 : 0;
	choose_scratch(operand_regs(i), w->live[k], 0, 0, &dead);
	cost += dead ? 0 : 2;
	return used[k] && cost ? 1 : cost;
}

/* A check of write `i` does for read `before` too; nothing in between changes the operand. */
static bool covers(const struct emit *e, const struct insn *i, const struct insn *before)
{
	if (!(i->is & INSN_WRITES) || (before->is & (INSN_READS | INSN_WRITES)) != INSN_READS || i->size < before->size)
		return false;
	struct operand a = emit_operand(e->code, i, 0), b = emit_operand(e->code, before, 0);
	return same_operand(&a, &b) && a.disp == b.disp;
}

/*
 * Where a check is cheapest: at its access or before it, as far up as the operand's address is the same. Never above
 * another's read: that may be the one which says that this access is safe. Nor a write's above the check of another access:
 * it may be the one that says so of that access, to somebody else.
 */
static uint32_t place_of_check(const struct emit *e, const struct window *w, uint32_t at, const bool *used,
			       const uint32_t *place)
{
	const struct insn *i = &w->insn[at];
	uint32_t regs = operand_regs(i), best = at;
	unsigned cost = cost_at(w, i, at, used);
	uint32_t checked_at = 0; /* the last of those this one would pass by */
	for (uint32_t k = at; k > 0 && at - k < HOIST_MAX; k--) {
		const struct insn *before = &w->insn[k - 1];
		if (((before->changes | before->kills) & regs) || before->kind != INSN_PLAIN || is_always(before))
			break;
		if (covers(e, i, before) && place[k - 1] == k - 1 && k - 1 >= checked_at)
			return k - 1; /* read, then written: one check does for both */
		if (w->watch[k - 1] && (before->is & INSN_READS))
			break;
		if (w->watch[k - 1] && (i->is & INSN_WRITES) && place[k - 1] > checked_at)
			checked_at = place[k - 1];
		if (k - 1 < checked_at)
			break;
		unsigned c = cost_at(w, i, k - 1, used);
		if (c < cost) {
			cost = c;
			best = k - 1;
		}
	}
	return best;
}

static void emit_stubs(struct out *o)
{
	struct emit *e = o->e;
	for (uint32_t k = 0; k < o->nr_pending; k++) {
		struct pending *p = &o->pending[k];
		emit_room(e);
		if (e->no_memory)
			return;
		e->plan->ways[p->site].stub = e->at;
		for (uint32_t j = 0; j < p->jumps; j++) {
			uint32_t rel = e->at - (p->jump[j] + 4);
			memcpy(e->plan->image + p->jump[j], &rel, 4);
		}
		emit_call(e, p->insn, p->site, IMAGE_MISS);
		emit_8(e, 0xe9);
		emit_rel(e, e->plan->ways[p->site].resume);
	}
}

/* All checks that stand before instruction `at`, with what they need saved once for all of them. */
static void emit_checks(struct out *o, const uint32_t *place, uint32_t at)
{
	const struct window *w = o->w;
	const struct insn *group[HOIST_MAX + 1];
	uint32_t n = 0, taken = 0;
	for (uint32_t pass = 0; pass < 2; pass++) /* writes first: they cover reads */
		for (uint32_t k = at; k < w->count && k - at <= HOIST_MAX; k++) {
			const struct insn *i = &w->insn[k];
			if (!checked(w, k) || place[k] != at || ((i->is & INSN_WRITES) != 0) != (pass == 0))
				continue;
			if (already_checked(o, i)) {
				o->e->plan->counts.elided++;
				continue;
			}
			group[n++] = i;
			taken |= operand_regs(i);
		}
	bool together = (GPRS_ALL & ~taken & ~(1u << RSP | 1u << RAX)) != 0;
	struct saved s = { .flags = false };
	for (uint32_t k = 0; k < n; k++) {
		emit_room(o->e);
		if (o->e->no_memory)
			return;
		if (k == 0 || !together)
			s = emit_save(o, together ? taken : operand_regs(group[k]), w->live[at], true);
		emit_check(o, group[k], s.reg, group[k] != &w->insn[at]);
		if (k + 1 == n || !together)
			emit_restore(o->e, &s);
	}
}

static void emit_insn(struct out *o, const uint32_t *place, uint32_t at)
{
	const struct window *w = o->w;
	const struct insn *i = &w->insn[at];
	struct plan *p = o->e->plan;
	p->moved[p->nr_moved++] = (struct plan_moved){ i->at, o->e->at };
	if (w->watch[at] && is_always(i)) {
		emit_always(o, i, w->live[at], at + 1 < w->count ? w->live[at + 1] : w->live_end);
		o->nr_known = 0;
	}
	emit_checks(o, place, at);
	emit_room(o->e);
	if (o->e->no_memory)
		return;
	if (i->kind != INSN_CALL_FAR) {
		emit_moved(o->e, i);
	} else if (i->at - w->insn->at >= JUMP_BYTES) { /* it stays where it is */
		emit_8(o->e, 0xe9);
		emit_fix(o->e, (int32_t)i->at, 0, false);
	} else {
		emit_call_from(o->e, i);
	}
	forget_changed(o, i);
}

void check_window(struct emit *e, const struct window *w)
{
	struct out o = { .e = e, .w = w };
	uint32_t place[WINDOW_INSNS];
	struct plan *p = e->plan;
	if (!grow(&p->moved, &p->moved_cap, p->nr_moved, (size_t)p->nr_moved + w->count, sizeof(*p->moved))) {
		e->no_memory = true;
		return;
	}
	bool used[WINDOW_INSNS] = { false };
	for (uint32_t n = 0; n < w->count; n++)
		o.busy |= (w->insn[n].reads | w->insn[n].changes) & GPRS_ALL;
	for (uint32_t n = 0; n < w->count; n++) {
		place[n] = checked(w, n) ? place_of_check(e, w, n, used, place) : n;
		used[place[n]] |= checked(w, n);
	}
	for (uint32_t n = 0; n < w->count; n++) {
		emit_room(e);
		if (e->no_memory)
			return;
		emit_insn(&o, place, n);
	}
	const struct insn *last = &w->insn[w->count - 1];
	emit_room(e);
	if (e->no_memory)
		return;
	if (last->kind == INSN_PLAIN || last->kind == INSN_JCC) {
		emit_8(e, 0xe9);
		emit_fix(e, (int32_t)(last->at + last->len), 0, true);
	}
	emit_stubs(&o);
}
