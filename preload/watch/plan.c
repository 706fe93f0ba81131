/* plan.c - See plan.h. */
#include "watch/plan.h"

#include "watch/grow.h"
#include "watch/window.h"

const char *plan_reason(enum plan_reason r)
{
	static const char *const words[PLAN_REASONS] = {
		[PLAN_WATCHED] = "watched",
		[PLAN_NO_FUNCTION] = "outside functions",
		[PLAN_UNDECODABLE] = "undecodable",
		[PLAN_DATA_IN_TEXT] = "beside data",
		[PLAN_RSEQ] = "restartable",
		[PLAN_USES_GS] = "uses %gs",
		[PLAN_PINNED] = "pinned",
		[PLAN_OPERAND] = "operand not understood",
		[PLAN_UNREACHED] = "not reached",
	};
	return words[r];
}

/* Branches in moved code that lead to a window go straight to its trampoline. */
static void chain(struct plan *p)
{
	uint32_t kept = 0;
	for (uint32_t k = 0; k < p->nr_fix; k++) {
		uint32_t at = p->fix[k] & ~FIX_BRANCH, field;
		memcpy(&field, p->image + at, 4);
		const struct plan_window *w = p->fix[k] & FIX_BRANCH ? plan_window_at(p, p->base + field + 4) : NULL;
		if (w && w->at == field + 4) {
			uint32_t rel = w->to - (at + 4);
			memcpy(p->image + at, &rel, 4);
		} else {
			p->fix[kept++] = at;
		}
	}
	p->nr_fix = kept;
}

static int plan_code(const struct code *c, const struct emit_abi *abi, struct plan *p)
{
	struct windows w = { .e = { .plan = p, .code = c, .abi = abi } };
	int result = -1;
	if (islands_open(&w.islands, c) < 0)
		goto out;
	p->base = c->base;
	p->uses_gs = c->uses_gs;
	p->counts.functions = c->nr_fn;
	p->counts.instructions = c->nr_insn;
	p->counts.accesses = p->counts.reason[PLAN_NO_FUNCTION] = c->gap_accesses;
	memcpy(p->gaps, c->gaps, sizeof(p->gaps));
	size_t most = 0;
	for (uint32_t f = 0; f < c->nr_fn; f++)
		most += c->fn[f].alone ? 0 : windows_count(c, &c->fn[f]);
	size_t head = IMAGE_HEAD + most * sizeof(struct watch_site);
	/* Guesses that hold mostly: growing later means copying. Pages nobody touches cost nothing. */
	if (head > INT32_MAX / 2 || !grow(&p->image, &p->image_cap, 0, head + EMIT_ROOM + most * 110, 1) ||
	    !grow(&p->moved, &p->moved_cap, 0, c->nr_insn / 2 + 64, sizeof(*p->moved)) ||
	    !grow(&p->fix, &p->fix_cap, 0, most + 64, sizeof(*p->fix)) ||
	    !grow(&p->windows, &p->windows_cap, 0, most / 2 + 64, sizeof(*p->windows)) ||
	    !grow(&p->ways, &p->ways_cap, 0, most + 1, sizeof(*p->ways)))
		goto out;
	const uint64_t words[] = { abi->miss, abi->sync, abi->rep, 0x0101010101010101u };
	memcpy(p->image, words, sizeof(words));
	p->sites_at = IMAGE_HEAD;
	w.e.at = (uint32_t)head;
	for (uint32_t f = 0; f < c->nr_fn; f++)
		if (windows_of(&w, c, &c->fn[f]) < 0)
			goto out;
	p->image_bytes = w.e.at;
	if (islands_settle(&w.islands, p) < 0)
		goto out;
	chain(p);
	result = 0;
out:
	windows_close(&w);
	return result;
}

int plan_module(const struct code_view *view, const struct emit_abi *abi, const struct decoder *decoder,
		struct plan *out)
{
	struct code c;
	*out = (struct plan){ .base = 0 };
	if (code_open(&c, view, decoder) < 0)
		return -1;
	int result = plan_code(&c, abi, out);
	code_close(&c);
	if (result < 0)
		plan_free(out);
	return result;
}

static bool rel32(uintptr_t from, uintptr_t to, uint32_t *out)
{
	int64_t d = (int64_t)(to - from);
	*out = (uint32_t)d;
	return d == (int32_t)d;
}

int plan_place(struct plan *p, uintptr_t arena)
{
	for (uint32_t k = 0; k < p->nr_fix; k++) {
		uint32_t field, rel, at = p->fix[k];
		memcpy(&field, p->image + at, 4);
		if (!rel32(arena + at, p->base + (uintptr_t)(intptr_t)(int32_t)field, &rel))
			return -1;
		memcpy(p->image + at, &rel, 4);
	}
	for (uint32_t k = 0; k < p->nr_windows; k++) {
		struct plan_window *w = &p->windows[k];
		uint32_t rel;
		if (w->how != PLAN_JMP5 && w->how != PLAN_ISLAND)
			continue;
		if (!rel32(p->base + w->at + 5, arena + w->to, &rel))
			return -1;
		w->patch[0] = 0xe9;
		memcpy(w->patch + 1, &rel, 4);
	}
	return 0;
}

void plan_drop_image(struct plan *p)
{
	ungrow(&p->image, &p->image_cap, 1);
	ungrow(&p->fix, &p->fix_cap, sizeof(*p->fix));
	p->nr_fix = 0;
}

void plan_free(struct plan *p)
{
	plan_drop_image(p);
	ungrow(&p->windows, &p->windows_cap, sizeof(*p->windows));
	ungrow(&p->moved, &p->moved_cap, sizeof(*p->moved));
	ungrow(&p->ways, &p->ways_cap, sizeof(*p->ways));
	*p = (struct plan){ .base = 0 };
}

const struct plan_window *plan_window_at(const struct plan *p, uintptr_t pc)
{
	uint32_t low = 0, high = p->nr_windows;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (p->base + p->windows[mid].at <= pc)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0 || pc - p->base - p->windows[low - 1].at >= p->windows[low - 1].len)
		return NULL;
	return &p->windows[low - 1];
}

const struct plan_moved *plan_moved_to(const struct plan *p, uint32_t arena_offset)
{
	uint32_t low = 0, high = p->nr_moved;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (p->moved[mid].to <= arena_offset)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? &p->moved[low - 1] : NULL;
}

const struct plan_moved *plan_moved_from(const struct plan *p, uintptr_t pc)
{
	uint32_t low = 0, high = p->nr_moved;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (p->base + p->moved[mid].from < pc)
			low = mid + 1;
		else
			high = mid;
	}
	return low < p->nr_moved && p->base + p->moved[low].from == pc ? &p->moved[low] : NULL;
}
