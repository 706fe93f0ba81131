/* live.c - See live.h. */
#include "watch/live.h"

#include "watch/grow.h"

#define PASSES_MAX 64u
#define ALL        (GPRS_ALL | FLAGS_ALL)

/* What is live where a branch goes, as far as it is known by now. */
static uint32_t at_target(const struct live *l, const struct code *c, const struct code_function *f,
			  const struct insn *i, bool *backwards)
{
	uint32_t to = code_place(c, insn_goal(c, i));
	if (to == UINT32_MAX)
		return ALL;
	if (to >= f->lo && to < f->hi) {
		if (!bit_get(c->start, to))
			return ALL; /* into the middle of an instruction */
		*backwards |= to <= i->at;
		return l->before[l->index[to - f->lo]];
	}
	const struct code_function *g = code_function_at(c, to);
	return g && g->lo == to && !(g->is & FN_PART) ? GPRS_ALL : ALL;
}

static uint32_t live_before(const struct live *l, const struct code *c, const struct code_function *f, uint32_t n,
			    bool *backwards)
{
	const struct insn *i = &c->insn[f->first + n];
	bool falls = n + 1 < f->count && i[1].at == i->at + i->len;
	uint32_t next = falls ? l->before[n + 1] : ALL;
	switch (i->kind) {
	case INSN_CALL:
	case INSN_CALL_FAR:
	case INSN_RET: /* whoever writes by hand may hand flags over */
		return f->is & FN_BARE ? ALL : GPRS_ALL;
	case INSN_JMP_FAR: /* gcc tests before a switch and branches in its cases */
	case INSN_STOP:
		return ALL;
	case INSN_JMP:
		return at_target(l, c, f, i, backwards);
	case INSN_JCC:
	case INSN_LOOP:
		next |= at_target(l, c, f, i, backwards);
		break;
	default:
		break;
	}
	return (next & ~i->kills) | i->reads;
}

int live_function(struct live *l, const struct code *c, const struct code_function *f)
{
	uint32_t bytes = f->hi - f->lo;
	if (!grow(&l->before, &l->before_cap, 0, f->count, sizeof(*l->before)) ||
	    !grow(&l->index, &l->index_cap, 0, bytes, sizeof(*l->index)))
		return -1;
	memset(l->before, 0, f->count * sizeof(*l->before));
	for (uint32_t n = 0; n < f->count; n++)
		l->index[c->insn[f->first + n].at - f->lo] = n;
	for (unsigned pass = 0; pass < PASSES_MAX; pass++) {
		bool backwards = false, changed = false;
		for (uint32_t n = f->count; n-- > 0;) {
			uint32_t v = live_before(l, c, f, n, &backwards);
			changed |= v != l->before[n];
			l->before[n] = v;
		}
		if (!changed || !backwards)
			return 0;
	}
	for (uint32_t n = 0; n < f->count; n++)
		l->before[n] = ALL;
	return 0;
}

void live_close(struct live *l)
{
	ungrow(&l->before, &l->before_cap, sizeof(*l->before));
	ungrow(&l->index, &l->index_cap, sizeof(*l->index));
}
