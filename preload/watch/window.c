/*
 * window.c - See window.h.
 *
 * A run is a row of instructions that is entered at its top alone and that can all be moved: conditional jumps may
 * leave it. Its window reaches from the first to the last access that is watched, and is at least as long as a jump.
 */
#include "watch/window.h"

#include "watch/access.h"
#include "watch/check.h"
#include "watch/grow.h"

#define TAIL_INSNS 4u /* a branch or return so near is taken along: it saves the jump back */
#define HEAD_INSNS \
	4u /* so is the way from the top of the run: whoever jumps there from other copies comes straight in */
#define FLAGS_BACK 8u /* instructions a window may begin earlier to find dead flags */

uint32_t windows_count(const struct code *c, const struct code_function *f)
{
	uint32_t n = 0;
	for (uint32_t i = f->first; i < f->first + f->count; i++)
		n += access_of(c, f, &c->insn[i]) == ACCESS_WATCH;
	return n;
}

static void count(struct plan *p, enum plan_reason why, uint32_t n)
{
	p->counts.accesses += n;
	p->counts.reason[why] += n;
}

/* Something jumps into the middle of it, as past a `lock`: it stays as it is. */
static bool split(const struct code *c, const struct insn *i)
{
	return bit_any(c->target, i->at + 1, i->at + i->len);
}

static bool ends_run(const struct insn *i)
{
	return (i->is & INSN_PINNED) || (i->kind != INSN_PLAIN && i->kind != INSN_JCC);
}

/* Counts what is not watched whatever the window. */
static void count_others(struct plan *p, const struct code_function *f, enum access a)
{
	switch (a) {
	case ACCESS_PRIVATE:
		p->counts.private_slots++;
		break;
	case ACCESS_CONSTANT:
		p->counts.constant++;
		break;
	case ACCESS_ODD:
		count(p, f->alone ? f->alone : PLAN_OPERAND, 1);
		break;
	case ACCESS_PINNED:
		count(p, f->alone ? f->alone : PLAN_PINNED, 1);
		break;
	default:
		break;
	}
}

/* The part of the run [lo, hi) that becomes a window around [*first, *end), all indices in the function; its bytes. */
static uint32_t stretch(const struct insn *insn, const uint32_t *live, uint32_t lo, uint32_t hi, uint32_t *first,
			uint32_t *end)
{
	uint32_t a = *first, b = *end;
	for (uint32_t n = 0; n < FLAGS_BACK && a > lo && (live[a] & FLAGS_ALL) && insn[a - 1].kind == INSN_PLAIN; n++)
		a--;
	if (live[a] & FLAGS_ALL)
		a = *first;
	if (a - lo <= HEAD_INSNS)
		a = lo;
	for (uint32_t k = b; k < hi && k - b < TAIL_INSNS; k++)
		if (insn[k].kind != INSN_PLAIN) {
			b = k + 1;
			break;
		}
	while (insn[b - 1].at + insn[b - 1].len - insn[a].at < JUMP_BYTES && b < hi)
		b++;
	while (insn[b - 1].at + insn[b - 1].len - insn[a].at < JUMP_BYTES && a > lo)
		a--;
	*first = a;
	*end = b;
	return insn[b - 1].at + insn[b - 1].len - insn[a].at;
}

static int add_window(struct windows *w, const struct code_function *f, uint32_t first, uint32_t end, uint32_t bytes)
{
	const struct insn *insn = &w->e.code->insn[f->first];
	struct plan *p = w->e.plan;
	if (!grow(&p->windows, &p->windows_cap, p->nr_windows, (size_t)p->nr_windows + 1, sizeof(*p->windows)))
		return -1;
	bool fits = bytes >= JUMP_BYTES;
	p->windows[p->nr_windows++] = (struct plan_window){ .at = insn[first].at,
							    .to = w->e.at,
							    .how = fits ? PLAN_JMP5 : PLAN_JMP2,
							    .len = (uint8_t)(fits ? JUMP_BYTES : bytes) };
	uint32_t stop = insn[end - 1].kind == INSN_CALL_FAR ? insn[end - 1].at : insn[first].at + bytes;
	if (fits && stop > insn[first].at + JUMP_BYTES)
		islands_free(&w->islands, w->e.code, insn[first].at + JUMP_BYTES, stop, false);
	uint32_t live_end = end < f->count ? w->live.before[end] : GPRS_ALL | FLAGS_ALL;
	struct window win = { &insn[first], &w->live.before[first], &w->watch[first], end - first, live_end };
	check_window(&w->e, &win);
	return w->e.no_memory ? -1 : 0;
}

/* Windows of one run. Long ones are cut in pieces that the emitter's tables hold. */
static int take_run(struct windows *w, const struct code_function *f, uint32_t lo, uint32_t hi)
{
	const struct insn *insn = &w->e.code->insn[f->first];
	uint32_t next = lo;
	while (next < hi) {
		uint32_t first = next, accesses = 0, end = 0;
		while (first < hi && !w->watch[first])
			first++;
		if (first == hi)
			return 0;
		uint32_t limit = first - next > FLAGS_BACK + JUMP_BYTES ? first - FLAGS_BACK - JUMP_BYTES : next;
		uint32_t i = first;
		for (; i < hi && i - limit < WINDOW_INSNS - JUMP_BYTES - TAIL_INSNS && accesses < WINDOW_ACCESSES; i++)
			if (w->watch[i]) {
				accesses++;
				end = i + 1;
			}
		next = i;
		uint32_t bytes = stretch(insn, w->live.before, limit, i == hi ? hi : i, &first, &end);
		count(w->e.plan, PLAN_WATCHED, accesses);
		if (add_window(w, f, first, end, bytes) < 0)
			return -1;
		next = end > next ? end : next;
	}
	return 0;
}

/* Nothing leads there: padding, or a jump that was not understood. */
static void unreached(struct windows *w, const struct code_function *f, uint32_t lo, uint32_t hi)
{
	const struct code *c = w->e.code;
	const struct insn *insn = &c->insn[f->first];
	uint32_t len;
	for (uint32_t n = lo; n < hi; n++) {
		count(w->e.plan, PLAN_UNREACHED, w->watch[n]);
		if (island_is_nop(code_bytes(c, insn[n].at), insn[n].len, &len) && len == insn[n].len)
			islands_free(&w->islands, c, insn[n].at, insn[n].at + len, true);
	}
}

int windows_of(struct windows *w, const struct code *c, const struct code_function *f)
{
	struct plan *p = w->e.plan;
	if (!grow(&w->watch, &w->watch_cap, 0, (size_t)f->count + 1, 1))
		return -1;
	uint32_t watched = 0;
	for (uint32_t n = 0; n < f->count; n++) {
		enum access a = access_of(c, f, &c->insn[f->first + n]);
		if (a == ACCESS_WATCH && split(c, &c->insn[f->first + n]))
			a = ACCESS_PINNED;
		w->watch[n] = a == ACCESS_WATCH;
		watched += a == ACCESS_WATCH;
		count_others(p, f, a);
	}
	if (watched && f->alone) {
		count(p, f->alone, watched);
		return 0;
	}
	if (!watched)
		return 0;
	if (live_function(&w->live, c, f) < 0)
		return -1;
	const struct insn *insn = &c->insn[f->first];
	bool reached = true;
	for (uint32_t lo = 0, hi; lo < f->count; lo = hi) {
		uint32_t len;
		bool anywhere = (f->is & FN_JUMPS) != 0;
		reached |= bit_get(c->target, insn[lo].at) || anywhere;
		/* Surely code, but who goes there is not known, or where to: as with jumps nobody understands. */
		if (!reached && (f->is & FN_CLEAN)) {
			anywhere = true;
			reached = !island_is_nop(code_bytes(c, insn[lo].at), insn[lo].len, &len);
		}
		for (hi = lo; hi < f->count; hi++) {
			bool entered = hi > lo && (bit_get(c->target, insn[hi].at) || anywhere ||
						   insn[hi].at != insn[hi - 1].at + insn[hi - 1].len);
			if (entered || ((insn[hi].is & INSN_PINNED) && !w->watch[hi]) || split(c, &insn[hi]))
				break;
			if (ends_run(&insn[hi])) {
				hi++;
				break;
			}
		}
		if (!reached) {
			unreached(w, f, lo, hi);
		} else if (hi > lo && take_run(w, f, lo, hi) < 0) {
			return -1;
		}
		if (hi < f->count && hi == lo)
			hi++; /* a pinned one stands alone */
		uint8_t kind = insn[hi - 1].kind;
		reached &= !anywhere && kind != INSN_JMP && kind != INSN_JMP_FAR && kind != INSN_RET && kind != INSN_STOP;
	}
	return 0;
}

void windows_close(struct windows *w)
{
	live_close(&w->live);
	islands_close(&w->islands);
	ungrow(&w->watch, &w->watch_cap, 1);
}
