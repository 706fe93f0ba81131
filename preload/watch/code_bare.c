/*
 * code_bare.c - Code written by hand without unwind information, found in the gaps between functions.
 *
 * Some of it begins where code that is known calls or jumps, where the dynamic symbols say so, or at an address that is
 * formed or stored and not read from. From each such place bytes are decoded in a row up to the next one. They are taken
 * for code if all of them decode to what programs do, with every branch to the beginning of an instruction; where a call
 * or a symbol says that it begins there, also up to the last return before they no longer do. Data hardly ever look like
 * that, and what is read as data is left alone, as is what traps stand behind: generated code that is perhaps copied.
 */
#include "watch/code_bare.h"
#include "base/arena.h"
#include "watch/island.h"

#define GAP_MIN   512u /* bytes in gaps that are worth the search; start-up files bring half as many */
#define ROUNDS    16u
#define FUNCTION_ALIGN 16u
#define READ_MAX  64u /* instructions looked at for what an address is used for */
#define ENTRY_MIN 16u /* bytes; of a stored address that is not called */

enum { ENTRY_ADDRESS = 0, ENTRY_PROVED = 1, ENTRY_BORDER = 2 };

static bool in_gap(const struct code *c, uint32_t at)
{
	return at != UINT32_MAX && !code_function_at(c, at);
}

static void offer(struct bare *b, uintptr_t addr, unsigned how)
{
	uint32_t at = code_place(b->c, addr);
	if (at == UINT32_MAX || (bit_get(b->c->start, at) && bit_get(b->proved, at) && bit_get(b->border, at)))
		return;
	if (!in_gap(b->c, at) || bit_get(b->refused, at))
		return;
	b->changed |= !bit_get(b->entry, at) || (how & ENTRY_PROVED && !bit_get(b->proved, at));
	bit_set(b->entry, at);
	if (how & ENTRY_PROVED)
		bit_set(b->proved, at);
	if (how & ENTRY_BORDER)
		bit_set(b->border, at);
}

static void spoil(struct bare *b, uintptr_t addr)
{
	uint32_t at = code_place(b->c, addr);
	if (at != UINT32_MAX && in_gap(b->c, at))
		bit_set(b->spoilt, at);
}

/* What instruction [0] of these forms the address of is read: marks the place as data. */
static bool read_through(struct bare *b, const struct insn *i, uint32_t left, uintptr_t goal)
{
	unsigned reg = (unsigned)__builtin_ctz(i->changes | 0x10000u);
	for (uint32_t k = 1; k < left && k < READ_MAX && i[k].at == i[k - 1].at + i[k - 1].len; k++) {
		if ((i[k].base == reg || i[k].index == reg) && (i[k].is & (INSN_READS | INSN_WRITES))) {
			uintptr_t at = goal + (uintptr_t)(intptr_t)i[k].disp;
			spoil(b, at);
			if (at - goal < 4096)
				return true;
		}
		if ((i[k].kind != INSN_PLAIN && i[k].kind != INSN_JCC) || (i[k].changes >> reg & 1))
			return false;
	}
	return false;
}

/* What an instruction leads to. */
static void offer_from(struct bare *b, const struct insn *i, uint32_t left)
{
	const struct code *c = b->c;
	uintptr_t goal = insn_goal(c, i);
	if (i->kind == INSN_CALL) {
		offer(b, goal, ENTRY_PROVED | ENTRY_BORDER);
	} else if (i->kind == INSN_JMP || i->kind == INSN_JCC || i->kind == INSN_LOOP) {
		offer(b, goal, ENTRY_PROVED);
	} else if (i->base == BASE_RIP && (i->is & INSN_LEA)) {
		if (code_place(c, goal) != UINT32_MAX && !read_through(b, i, left, goal))
			offer(b, goal, ENTRY_ADDRESS);
	} else if (i->base == BASE_RIP && (i->is & (INSN_READS | INSN_WRITES))) {
		spoil(b, goal);
	}
}

/* A word of data that may be the address of a function, which assemblers and those who write for them align; else it is a
 * label's, or something else altogether. */
static void offer_stored(struct bare *b, uintptr_t addr)
{
	if (addr % FUNCTION_ALIGN == 0)
		offer(b, addr, ENTRY_BORDER);
}

static void offer_words(struct bare *b)
{
	const struct code_view *v = b->c->view;
	uintptr_t from = b->c->base, bytes = b->c->span;
	for (unsigned d = 0; v->pie && d < v->nr_data; d++)
		for (uintptr_t at = (v->data[d].lo + 7) & ~(uintptr_t)7; at + 8 <= v->data[d].hi; at += 8) {
			uintptr_t word = *(const uint64_t *)at;
			if (unlikely(word - from < bytes))
				offer_stored(b, word);
		}
	for (size_t r = 0; v->pie && r < v->nr_rela; r++)
		if (ELF64_R_TYPE(v->rela[r].r_info) == R_X86_64_RELATIVE)
			offer_stored(b, v->bias + (uintptr_t)v->rela[r].r_addend);
	for (size_t s = 0; s < v->nr_symbols; s++) {
		const Elf64_Sym *y = &v->symbols[s];
		if (y->st_shndx == SHN_UNDEF || y->st_shndx >= SHN_LORESERVE)
			continue;
		if (ELF64_ST_TYPE(y->st_info) == STT_FUNC)
			offer(b, v->bias + y->st_value, ENTRY_PROVED | ENTRY_BORDER);
		else if (ELF64_ST_TYPE(y->st_info) == STT_OBJECT)
			spoil(b, v->bias + y->st_value);
	}
}

/* Moves the stack pointer as code does that has a stack there: not as one register more. */
static bool stack_kept(const uint8_t *p, const struct insn *i)
{
	uint32_t n = i->len > 1 && (p[0] & 0xf0) == 0x40;
	uint8_t op = p[n];
	if (!(i->changes >> RSP & 1) || i->kind != INSN_PLAIN || op == 0xff || op == 0x8f || (op & 0xf0) == 0x50 ||
	    (op >= 0x68 && op <= 0x6a) || op == 0x9c || op == 0x9d || op == 0xc9 || op == 0xc8)
		return true;
	return n && (op == 0x81 || op == 0x83 || op == 0x89 || op == 0x8b || op == 0x8d || op == 0x01 || op == 0x03 ||
		     op == 0x29 || op == 0x2b || op == 0x87);
}

static bool plausible(const struct bare *b, const struct insn *i)
{
	const struct code *c = b->c;
	const uint8_t *p = code_bytes(c, i->at);
	if ((i->is & INSN_GS) || (p[0] == 0 && p[1] == 0) || !stack_kept(p, i) || code_too_far(c, i))
		return false;
	if (i->kind == INSN_STOP)
		return p[0] == 0x0f && p[1] == 0x0b;
	if ((i->kind == INSN_PLAIN || i->kind == INSN_JMP_FAR) && (i->is & INSN_PINNED))
		return false;
	if (i->kind != INSN_JCC && i->kind != INSN_JMP && i->kind != INSN_CALL && i->kind != INSN_LOOP)
		return true;
	uint32_t to = code_place(c, insn_goal(c, i));
	return to != UINT32_MAX && (bit_get(c->start, to) || in_gap(c, to));
}

static bool ends(const struct insn *i)
{
	return i->kind == INSN_RET || i->kind == INSN_JMP || i->kind == INSN_JMP_FAR || i->kind == INSN_STOP;
}

/* Decodes from `at` on; returns the end of what is code there, `at` if nothing is. Padding behind the last return is nobody's. */
static uint32_t sweep(const struct bare *b, uint32_t at, uint32_t limit, bool proved)
{
	uint32_t from = at, last = at, len;
	bool open = false; /* something runs on from here */
	while (at < limit) {
		struct insn i = { .at = at };
		const uint8_t *p = code_bytes(b->c, at);
		if (!open && at > from && *p == 0xcc)
			return from;
		if (!open && at > from && island_is_nop(p, limit - at, &len)) {
			at += len;
			continue;
		}
		if (!b->d->decode(b->d, p, limit - at, &i) || !plausible(b, &i))
			return proved ? last : from;
		at += i.len;
		open = !ends(&i);
		last = open ? last : at;
	}
	/* It may run on into what is known to be code, not out of the gap. */
	return !open ? last : bit_get(b->entry, limit) && in_gap(b->c, limit) ? limit : proved ? last : from;
}

/* The next place after `at` that something leads to. */
static uint32_t next_entry(const struct bare *b, uint32_t at, uint32_t limit)
{
	for (at++; at < limit && !bit_get(b->entry, at);)
		at = at % 64 == 0 && b->entry[at / 64] == 0 ? at + 64 : at + 1;
	return at < limit ? at : limit;
}

static void take(struct bare *b, uint32_t at, uint32_t end)
{
	struct insn row[READ_MAX];
	for (uint32_t p = at; p < end; p += row->len) {
		row->at = p;
		b->d->decode(b->d, code_bytes(b->c, p), end - p, row);
		bit_set(b->c->start, p);
	}
	/* Again, now that all of it is known: with what follows each instruction. */
	for (uint32_t p = at; p < end;) {
		uint32_t nr = 0;
		for (uint32_t q = p; q < end && nr < READ_MAX; nr++) {
			row[nr].at = q;
			b->d->decode(b->d, code_bytes(b->c, q), end - q, &row[nr]);
			q += row[nr].len;
			if (!(row[0].base == BASE_RIP && (row[0].is & INSN_LEA))) {
				nr++;
				break;
			}
		}
		offer_from(b, &row[0], nr);
		p += row[0].len;
	}
	b->changed = true;
	b->total += end - at;
}

static bool only_padding(const struct code *c, uint32_t at, uint32_t end)
{
	for (uint32_t len; at < end; at += len)
		if (!island_is_nop(code_bytes(c, at), end - at, &len))
			return false;
	return true;
}

static void refuse(struct bare *b, uint32_t at)
{
	b->entry[at / 64] &= ~((uint64_t)1 << at % 64);
	bit_set(b->refused, at);
}

/* In the middle of an instruction that was taken. */
static bool inside_taken(const struct bare *b, uint32_t lo, uint32_t at, uint32_t hi)
{
	for (uint32_t k = at - lo < 14 ? lo : at - 14; k < at; k++) {
		struct insn i = { .at = k };
		if (bit_get(b->c->start, k) && b->d->decode(b->d, code_bytes(b->c, k), hi - k, &i) && k + i.len > at)
			return true;
	}
	return false;
}

/* Instructions in a row from `at` go past `to` without beginning there. */
static bool steps_over(const struct bare *b, uint32_t at, uint32_t to, uint32_t hi)
{
	while (at < to) {
		struct insn i = { .at = at };
		if (!b->d->decode(b->d, code_bytes(b->c, at), hi - at, &i) || !plausible(b, &i))
			return false;
		at += i.len;
	}
	return at > to;
}

/* Two entries one of which cannot be: what is proved stays, else neither does. True: `next` is none any more. */
static bool settled(struct bare *b, uint32_t at, uint32_t next)
{
	bool first = bit_get(b->proved, at), second = bit_get(b->proved, next);
	if (first == second || bit_get(b->c->start, next)) {
		bit_set(b->spoilt, at);
		bit_set(b->spoilt, next);
		return false;
	}
	if (first)
		refuse(b, next);
	return first;
}

static void search(struct code *c, void *arg, uint32_t lo, uint32_t hi, bool counted)
{
	struct bare *b = arg;
	if (!counted)
		return;
	uint32_t at = bit_get(b->entry, lo) ? lo : next_entry(b, lo, hi);
	for (uint32_t next; at < hi; at = next) {
		next = next_entry(b, at, hi);
		bool proved = bit_get(b->proved, at);
		if (bit_get(c->start, at) || (b->proved_only && !proved))
			continue;
		if (inside_taken(b, lo, at, hi)) {
			if (!proved)
				refuse(b, at);
			continue;
		}
		while (next < hi && steps_over(b, at, next, hi) && settled(b, at, next))
			next = next_entry(b, at, hi);
		uint32_t end = bit_get(b->spoilt, at) ? at : sweep(b, at, next, proved);
		if (end == at || (!proved && end - at < ENTRY_MIN))
			continue;
		if (!only_padding(c, end, next))
			bit_set(b->ragged, at);
		take(b, at, end);
	}
}

/* Entries in the middle of what was taken: one of both is wrong. */
static void find_conflicts(struct code *c, void *arg, uint32_t lo, uint32_t hi, bool counted)
{
	struct bare *b = arg;
	uint32_t inside = lo;
	for (uint32_t at = lo; counted && at < hi; at++) {
		if (bit_get(c->start, at)) {
			struct insn i = { .at = at };
			b->d->decode(b->d, code_bytes(c, at), hi - at, &i);
			inside = at + i.len;
		} else if (at < inside && bit_get(b->entry, at)) {
			bit_set(b->spoilt, at);
		}
	}
}

static void weigh(struct code *c, void *arg, uint32_t lo, uint32_t hi, bool counted)
{
	(void)c;
	if (counted)
		*(uint32_t *)arg += hi - lo > 64 ? hi - lo : 0;
}

int code_bare(struct code *c, const struct decoder *d)
{
	struct bare b = { .c = c, .d = d, .bytes = c->span / 8 + 16 };
	uint32_t weight = 0;
	int result = -1;
	code_each_gap(c, weigh, &weight);
	if (weight < GAP_MIN)
		return 0;
	uint64_t **maps[] = { &b.entry, &b.proved, &b.border, &b.spoilt, &b.refused, &b.ragged };
	for (unsigned k = 0; k < ARRAY_SIZE(maps); k++)
		if (!(*maps[k] = arena_map(b.bytes)))
			goto out;
	for (uint32_t f = 0; f < c->nr_fn; f++)
		for (uint32_t n = 0; c->fn[f].alone != PLAN_UNDECODABLE && n < c->fn[f].count; n++) {
			const struct insn *i = &c->insn[c->fn[f].first + n];
			if (i->kind == INSN_PLAIN ? i->base == BASE_RIP :
						    i->kind != INSN_JMP_FAR && i->kind != INSN_CALL_FAR &&
							i->kind != INSN_RET && i->kind != INSN_STOP)
				offer_from(&b, i, c->fn[f].count - n);
		}
	offer_words(&b);
	for (unsigned pass = 0; pass < 2; pass++) {
		b.proved_only = pass == 0;
		b.changed = true;
		for (unsigned round = 0; b.changed && round < ROUNDS; round++) {
			b.changed = false;
			code_each_gap(c, search, &b);
		}
	}
	code_each_gap(c, find_conflicts, &b);
	result = b.total ? bare_merge(&b) : 0;
out:
	for (unsigned k = 0; k < ARRAY_SIZE(maps); k++)
		if (*maps[k])
			arena_unmap(*maps[k], b.bytes);
	return result;
}
