/*
 * code_offsets.c - Tables of 16-bit offsets from a function's beginning: how an interpreter written by hand goes from one
 * instruction of its language to the next, after it has made addresses of them at start.
 */
#include "watch/code.h"
#include "watch/island.h"

#define ROW_MIN   16u         /* different offsets in a row that all begin an instruction ... */
#define BEHIND    4u          /* ... so many of them where nothing runs on from above */
#define WORDS_MAX (64u << 20) /* looked at for one module */

static bool runs_on(const struct insn *i)
{
	return i->kind != INSN_JMP && i->kind != INSN_JMP_FAR && i->kind != INSN_RET && i->kind != INSN_STOP;
}

/* Jumps to addresses it loads, and has places that nothing seems to lead to; not just padding. */
static bool dispatches(const struct code *c, const struct code_function *f)
{
	uint32_t len;
	bool reached = true, jumps = false, lost = false;
	for (uint32_t n = f->first; n < f->first + f->count; n++) {
		const struct insn *i = &c->insn[n];
		reached |= bit_get(c->target, i->at);
		if (!reached && island_is_nop(code_bytes(c, i->at), i->len, &len))
			continue;
		jumps |= i->kind == INSN_JMP_FAR && i->base != BASE_RIP;
		lost |= !reached;
		reached &= runs_on(i);
	}
	return jumps && lost;
}

struct row {
	const uint16_t *first, *end;
	uint32_t different, behind, last;
};

static void mark_row(struct code *c, const struct code_function *f, const struct row *r)
{
	if (r->different < ROW_MIN || r->behind < BEHIND)
		return;
	for (const uint16_t *p = r->first; p < r->end; p++)
		bit_set(c->target, f->lo + *p);
}

static void scan(struct code *c, const struct code_function *f, const struct code_data *d)
{
	struct row r = { .first = NULL };
	for (uintptr_t at = (d->lo + 1) & ~(uintptr_t)1; at + 2 <= d->hi; at += 2) {
		const uint16_t *p = (const uint16_t *)at;
		uint32_t to = f->lo + *p;
		if (likely(to >= f->hi || !bit_get(c->start, to))) {
			mark_row(c, f, &r);
			r = (struct row){ .first = NULL };
			continue;
		}
		r.first = r.first ? r.first : p;
		r.end = p + 1;
		if (to == r.last)
			continue;
		uint32_t n = code_insn_from(c, to);
		r.different++;
		r.behind += n > f->first && !runs_on(&c->insn[n - 1]);
		r.last = to;
	}
	mark_row(c, f, &r);
}

void code_offsets(struct code *c)
{
	size_t words = 0, left = WORDS_MAX;
	for (unsigned d = 0; d < c->view->nr_data; d++)
		words += c->view->data[d].constant ? (c->view->data[d].hi - c->view->data[d].lo) / 2 : 0;
	for (uint32_t n = 0; n < c->nr_fn && words <= left; n++) {
		const struct code_function *f = &c->fn[n];
		if (f->alone || (f->is & FN_BARE) || !dispatches(c, f))
			continue;
		left -= words;
		for (unsigned d = 0; d < c->view->nr_data; d++)
			if (c->view->data[d].constant)
				scan(c, f, &c->view->data[d]);
	}
}
