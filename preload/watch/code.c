/* code.c - See code.h. */
#include "watch/code.h"

#include "watch/access.h"
#include "watch/grow.h"
#include "watch/island.h"

struct code_function *code_function_at(const struct code *c, uint32_t at)
{
	uint32_t low = 0, high = c->nr_fn; /* fn[low - 1] begins at or before `at`, fn[high] after it */
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (c->fn[mid].lo <= at)
			low = mid + 1;
		else
			high = mid;
	}
	return low > 0 && at < c->fn[low - 1].hi ? &c->fn[low - 1] : NULL;
}

uint32_t code_insn_from(const struct code *c, uint32_t at)
{
	uint32_t low = 0, high = c->nr_insn;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (c->insn[mid].at < at)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

uint32_t code_place(const struct code *c, uintptr_t addr)
{
	for (unsigned i = 0; i < c->view->nr_text; i++)
		if (addr >= c->view->text[i].lo && addr < c->view->text[i].hi)
			return (uint32_t)(addr - c->base);
	return UINT32_MAX;
}

bool code_too_far(const struct code *c, const struct insn *i)
{
	if (i->kind == INSN_JCC || i->kind == INSN_JMP)
		return code_place(c, insn_goal(c, i)) == UINT32_MAX;
	return i->base == BASE_RIP && insn_goal(c, i) - (c->base - (1u << 30)) >= 1u << 31;
}

/* One function's instructions. One that does not decode to its very end is left alone, but what was decoded stays: its
 * branches count. */
static int decode_function(struct code *c, const struct decoder *d, struct code_function *f)
{
	uint32_t at = f->lo, end = f->hi;
	for (unsigned t = 0; t < c->view->nr_text; t++) /* more than the function, as the decoder likes to look ahead */
		if (c->base + at >= c->view->text[t].lo && c->base + at < c->view->text[t].hi)
			end = (uint32_t)(c->view->text[t].hi - c->base);
	f->first = c->nr_insn;
	while (at < f->hi) {
		if (!grow(&c->insn, &c->insn_cap, c->nr_insn, (size_t)c->nr_insn + 1, sizeof(*c->insn)))
			return -1;
		struct insn *i = &c->insn[c->nr_insn];
		i->at = at;
		if (!d->decode(d, code_bytes(c, at), end - at, i) || i->len == 0 || i->len > f->hi - at) {
			f->alone = PLAN_UNDECODABLE;
			at++;
			continue;
		}
		if (i->is & INSN_GS) {
			f->alone = PLAN_USES_GS;
			c->uses_gs = true;
		}
		if (code_too_far(c, i))
			i->is |= INSN_PINNED;
		bit_set(c->start, at);
		at += i->len;
		c->nr_insn++;
	}
	f->count = c->nr_insn - f->first;
	return 0;
}

/* crtstuff.c's __do_global_dtors_aux, in every module: it begins with `cmpb $0,completed(%rip)` and runs when all is
 * over. */
static bool runs_last(const uint8_t *p, uint32_t left)
{
	if (left > 4 && read32(p) == 0xfa1e0ff3)
		p += 4, left -= 4;
	return left > 7 && p[0] == 0x80 && p[1] == 0x3d && p[6] == 0;
}

/* Keeps those with the most accesses. */
static void keep_gap(struct code *c, const struct plan_gap *gap)
{
	struct plan_gap *least = c->gaps;
	for (unsigned k = 1; k < PLAN_GAPS; k++)
		if (c->gaps[k].accesses < least->accesses)
			least = &c->gaps[k];
	if (gap->accesses > least->accesses)
		*least = *gap;
}

/* Accesses there. Bytes that decode from one jump or return to the next, with nothing in between that only a kernel
 * would do, are taken for code; tables hardly ever look like that. */
static void count_gap(struct code *c, const struct decoder *d, uint32_t lo, uint32_t hi)
{
	const struct code_function nobody = { .is = FN_STACK_TAKEN };
	struct plan_gap all = { .accesses = 0 };
	uint32_t accesses = 0, begin = lo;
	bool code = true;
	for (uint32_t at = lo, len; at < hi;) {
		struct insn i = { .at = at };
		if (at == begin && island_is_nop(code_bytes(c, at), hi - at, &len)) {
			begin = at += len;
			continue;
		}
		if (!d->decode(d, code_bytes(c, at), hi - at, &i)) {
			code = false;
			at++;
			continue;
		}
		at += i.len;
		code &= i.kind != INSN_PLAIN || !(i.is & INSN_PINNED);
		accesses += access_of(c, &nobody, &i) > ACCESS_CONSTANT && i.base != RSP;
		if (i.kind != INSN_RET && i.kind != INSN_JMP && i.kind != INSN_JMP_FAR)
			continue;
		if (code && accesses && !runs_last(code_bytes(c, begin), hi - begin)) {
			all = (struct plan_gap){ all.accesses ? all.lo : begin, at, all.accesses + accesses };
			c->gap_accesses += accesses;
		}
		accesses = 0;
		code = true;
		begin = at;
	}
	keep_gap(c, &all);
}

/* Hand-written code that was not understood, or data: it is not patched, but its branches and the addresses it forms count, wherever
 * one could begin. Those into the middle of a function's instruction are none: nobody writes such, and most of what is tried
 * here is no branch at all; where the function itself is but a guess, they count. */
static void scan_gap(struct code *c, const struct decoder *d, uint32_t lo, uint32_t hi, bool counted)
{
	for (uint32_t at = lo; at < hi; at++) {
		const uint8_t *p = code_bytes(c, at);
		uint32_t left = hi - at;
		int64_t to = -1;
		if ((p[0] == 0xeb || (p[0] & 0xf0) == 0x70 || (p[0] & 0xfc) == 0xe0) && left >= 2)
			to = (int64_t)at + 2 + (int8_t)p[1];
		else if ((p[0] == 0xe8 || p[0] == 0xe9) && left >= 5)
			to = (int64_t)at + 5 + (int32_t)read32(p + 1);
		else if (p[0] == 0x0f && left >= 6 && (p[1] & 0xf0) == 0x80)
			to = (int64_t)at + 6 + (int32_t)read32(p + 2);
		else if (p[0] == 0x8d && left >= 6 && (p[1] & 0xc7) == 5) { /* lea of an address, or of a table */
			to = (int64_t)at + 6 + (int32_t)read32(p + 2);
			code_table(c, c->base + (uintptr_t)to);
		}
		if (to < 0 || to >= c->span)
			continue;
		const struct code_function *f = bit_get(c->start, (uint32_t)to) ? NULL : code_function_at(c, (uint32_t)to);
		if (!f || (f->is & FN_BARE))
			bit_set(c->target, (uint32_t)to);
	}
	if (counted)
		count_gap(c, d, lo, hi);
}

static void scan_one(struct code *c, void *decoder, uint32_t lo, uint32_t hi, bool counted)
{
	scan_gap(c, decoder, lo, hi, counted);
}

void code_each_gap(struct code *c, gap_visitor visit, void *arg)
{
	uint32_t f = 0;
	for (unsigned t = 0; t < c->view->nr_text; t++) {
		uint32_t at = (uint32_t)(c->view->text[t].lo - c->base),
			 end = (uint32_t)(c->view->text[t].hi - c->base);
		/* Where everything that is not written to shares one segment, code lies between the first and last
		 * function. */
		uintptr_t unwind = (uintptr_t)c->view->eh_frame_hdr;
		bool shared = unwind >= c->view->text[t].lo && unwind < c->view->text[t].hi, first = true;
		for (; f < c->nr_fn && c->fn[f].lo < end; f++) {
			if (at < c->fn[f].lo)
				visit(c, arg, at, c->fn[f].lo, !shared || !first);
			first = false;
			at = c->fn[f].hi;
		}
		if (at < end)
			visit(c, arg, at, end, !shared);
	}
}

int code_open(struct code *c, const struct code_view *view, const struct decoder *d)
{
	*c = (struct code){ .view = view };
	if (view->nr_text == 0)
		return 0;
	c->base = view->text[0].lo;
	uintptr_t span = view->text[view->nr_text - 1].hi - c->base;
	if (span >= INT32_MAX)
		return 0;
	c->span = (uint32_t)span;
	c->start = arena_map(span / 8 + 16);
	c->target = arena_map(span / 8 + 16);
	if (!c->start || !c->target || code_functions(c) < 0)
		goto no_memory;
	size_t bytes = 0;
	for (uint32_t f = 0; f < c->nr_fn; f++)
		bytes += c->fn[f].hi - c->fn[f].lo;
	if (!grow(&c->insn, &c->insn_cap, 0, bytes / 4 + 64, sizeof(*c->insn))) /* four bytes each is a good guess */
		goto no_memory;
	for (uint32_t f = 0; f < c->nr_fn; f++)
		if (decode_function(c, d, &c->fn[f]) < 0)
			goto no_memory;
	if (code_bare(c, d) < 0 || code_formed(c) < 0)
		goto no_memory;
	code_each_gap(c, scan_one, (void *)(uintptr_t)d);
	code_targets(c, d);
	code_bare_jumps(c);
	code_offsets(c);
	code_stacks(c);
	return 0;
no_memory:
	code_close(c);
	return -1;
}

void code_close(struct code *c)
{
	if (c->start)
		arena_unmap(c->start, c->span / 8 + 16);
	if (c->target)
		arena_unmap(c->target, c->span / 8 + 16);
	if (c->formed)
		arena_unmap(c->formed, (c->high - c->low) / 32 + 16);
	ungrow(&c->fn, &c->fn_cap, sizeof(*c->fn));
	ungrow(&c->insn, &c->insn_cap, sizeof(*c->insn));
	*c = (struct code){ .view = NULL };
}
