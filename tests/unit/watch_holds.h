/*
 * watch_holds.h - What must hold of every plan, whatever the bytes it was made of: for test_watch_plan.c and the fuzzer.
 *
 * Whoever includes this defines must(what): goes on if `what` is true.
 */
#ifndef TESTS_UNIT_WATCH_HOLDS_H
#define TESTS_UNIT_WATCH_HOLDS_H

#include "watch/code.h"

/* ---- windows ---- */

static inline void check_windows(const struct code *c, const struct plan *p)
{
	uint32_t end = 0;
	for (uint32_t n = 0; n < p->nr_windows; n++) {
		const struct plan_window *w = &p->windows[n];
		must(w->at >= end && w->to >= p->sites_at && w->to < p->image_bytes);
		end = w->at + w->len;
		must(end <= c->span && w->len >= 1 && w->len <= 5);
		for (uint32_t k = w->how != PLAN_ISLAND; k < w->len; k++)
			if (bit_get(c->target, w->at + k))
				must(!"a patch covers a target");
		if (w->how == PLAN_JMP2) {
			const struct plan_window *island =
			    plan_window_at(p, p->base + w->at + 2 + (uintptr_t)(intptr_t)(int8_t)w->patch[1]);
			must(island && island->how == PLAN_ISLAND && island->to == w->to);
			must(w->at + 2 + (uint32_t)(int32_t)(int8_t)w->patch[1] == island->at);
		}
	}
	uint32_t sum = 0;
	for (unsigned r = 0; r < PLAN_REASONS; r++)
		sum += p->counts.reason[r];
	must(sum == p->counts.accesses);
}

/* ---- moved instructions ---- */

static uintptr_t goal_of(const struct insn *i, uintptr_t at)
{
	return at + i->len + (uintptr_t)(intptr_t)i->disp;
}

/* A branch in the image leads where the original led: there, or to the copy of it. */
static bool leads_to(const struct plan *p, uintptr_t arena, uintptr_t goal, uintptr_t want)
{
	const struct plan_window *w = plan_window_at(p, want);
	return goal == want || (w && p->base + w->at == want && goal == arena + w->to);
}

static inline bool same_insn(const struct plan *p, uintptr_t arena, const struct insn *old, const struct insn *new,
		      uint32_t at)
{
	const uint8_t *a = (const uint8_t *)(p->base + old->at), *b = p->image + at;
	if (old->kind == INSN_JCC || old->kind == INSN_JMP)
		return new->kind == old->kind &&new->reads ==
		       old->reads &&leads_to(p, arena, goal_of(new, arena + at), goal_of(old, p->base + old->at));
	if (old->len != new->len || old->kind != new->kind)
		return false;
	if (old->base != BASE_RIP)
		return memcmp(a, b, old->len) == 0;
	return memcmp(a, b, old->disp_at) == 0 &&
	       memcmp(a + old->disp_at + 4, b + old->disp_at + 4, old->len - old->disp_at - 4u) == 0 &&
	       goal_of(new, arena + at) == goal_of(old, p->base + old->at);
}

/* Behind its check and others' stands the same instruction again. */
static inline void check_moved(const struct decoder *decoder, const struct plan *p, uintptr_t arena)
{
	uint32_t from = 0, to = 0;
	for (uint32_t n = 0; n < p->nr_moved; n++) {
		const struct plan_moved *m = &p->moved[n];
		must((n == 0 || m->from > from) && m->to >= to);
		from = m->from;
		to = m->to;
		struct insn old = { .at = m->from }, new = { .at = 0 };
		must(decoder->decode(decoder, (const uint8_t *)(p->base + m->from), 16, &old));
		if (old.kind == INSN_CALL_FAR)
			continue;
		uint32_t at = m->to, steps = 0;
		for (;; at += new.len) {
			if (steps++ > 1000 || at >= p->image_bytes ||
			    !decoder->decode(decoder, p->image + at, p->image_bytes - at, &new))
				must(!"an instruction is at its new place");
			if (same_insn(p, arena, &old, &new, at))
				break;
		}
		if (n + 1 < p->nr_moved && at >= p->moved[n + 1].to)
			must(!"an instruction is before the one after it");
	}
}

/* ---- stubs ---- */

static inline void check_sites(const struct decoder *decoder, const struct plan *p)
{
	const struct watch_site *s = (const struct watch_site *)(p->image + p->sites_at);
	for (uint32_t n = 0; n < p->nr_sites; n++) {
		uint32_t at = p->ways[n].stub, calls = 0;
		int64_t rsp = 0;
		must(s[n].check >= p->sites_at && s[n].check < p->image_bytes && at >= s[n].check);
		must(p->ways[n].resume > s[n].check && p->ways[n].resume < p->image_bytes);
		for (;;) {
			struct insn i = { .at = 0 };
			const uint8_t *b = p->image + at;
			if (at == p->ways[n].resume && rsp == 0 && calls)
				break;
			must(decoder->decode(decoder, b, p->image_bytes - at, &i));
			at += i.len;
			if (i.kind == INSN_JMP) {
				must(at + (uint32_t)i.disp == p->ways[n].resume);
				break;
			}
			if (i.kind == INSN_CALL_FAR) {
				must(rsp == -144);
				calls++;
			} else if ((i.is & INSN_LEA) && (i.changes >> RSP & 1)) {
				must(i.base == RSP);
				rsp += i.disp;
			} else if (i.changes >> RSP & 1) {
				rsp += i.is & INSN_MOV64 ? 8 : -8;
			} else {
				must(i.changes == 1u << RDI || i.changes == 1u << RSI);
			}
			must(rsp == 0 || rsp <= -128);
		}
		must(rsp == 0);
		must(calls == 1);
	}
}

/* Said once more, by the branches of all instructions that are known: none of them ends in a patch. */
static inline void check_branches(const struct code *c, const struct plan *p)
{
	for (uint32_t n = 0; n < c->nr_insn; n++) {
		const struct insn *i = &c->insn[n];
		if (i->kind != INSN_JCC && i->kind != INSN_JMP && i->kind != INSN_CALL && i->kind != INSN_LOOP)
			continue;
		const struct plan_window *w = plan_window_at(p, insn_goal(c, i));
		must(!w || (w->how != PLAN_ISLAND && insn_goal(c, i) == p->base + w->at));
	}
}

#endif
