/* code_bare_merge.c - Functions of hand-written code, and which of their instructions may be jumped to. */
#include "watch/code_bare.h"
#include "watch/grow.h"

struct merged {
	struct bare *b;
	struct code_function *fn;
	struct insn *insn;
	size_t fn_cap, insn_cap;
	uint32_t nr_fn, nr_insn, done; /* of the code's functions */
	bool no_memory;
};

/* The functions before a place. */
static void copy_until(struct merged *m, uint32_t at)
{
	const struct code *c = m->b->c;
	uint32_t first = m->done, insns = 0;
	for (; m->done < c->nr_fn && c->fn[m->done].lo < at; m->done++)
		insns += c->fn[m->done].count;
	uint32_t n = m->done - first;
	if (!n)
		return;
	if (!grow(&m->fn, &m->fn_cap, m->nr_fn, (size_t)m->nr_fn + n, sizeof(*m->fn)) ||
	    !grow(&m->insn, &m->insn_cap, m->nr_insn, (size_t)m->nr_insn + insns, sizeof(*m->insn))) {
		m->no_memory = true;
		return;
	}
	uint32_t shift = m->nr_insn - c->fn[first].first;
	if (insns)
		memcpy(m->insn + m->nr_insn, c->insn + c->fn[first].first, insns * sizeof(*m->insn));
	memcpy(m->fn + m->nr_fn, c->fn + first, n * sizeof(*m->fn));
	for (uint32_t f = 0; f < n; f++)
		m->fn[m->nr_fn + f].first += shift;
	m->nr_insn += insns;
	m->nr_fn += n;
}

static void add_insn(struct merged *m, uint32_t at, uint32_t hi)
{
	if (!grow(&m->insn, &m->insn_cap, m->nr_insn, (size_t)m->nr_insn + 1, sizeof(*m->insn))) {
		m->no_memory = true;
		return;
	}
	struct insn *i = &m->insn[m->nr_insn++];
	*i = (struct insn){ .at = at };
	m->b->d->decode(m->b->d, code_bytes(m->b->c, at), hi - at, i);
	struct code_function *f = &m->fn[m->nr_fn - 1];
	f->hi = at + i->len;
	f->count++;
	for (uint32_t k = at; k < f->hi; k++)
		if (bit_get(m->b->spoilt, k))
			f->alone = PLAN_DATA_IN_TEXT;
	if (bit_get(m->b->ragged, at))
		f->is &= (uint16_t)~FN_CLEAN;
}

static void build(struct code *c, void *arg, uint32_t lo, uint32_t hi, bool counted)
{
	struct merged *m = arg;
	uint32_t at = lo;
	while (counted && at < hi && !m->no_memory) {
		if (!bit_get(c->start, at)) {
			at++;
			continue;
		}
		copy_until(m, at);
		if (!grow(&m->fn, &m->fn_cap, m->nr_fn, (size_t)m->nr_fn + 1, sizeof(*m->fn))) {
			m->no_memory = true;
			return;
		}
		m->fn[m->nr_fn++] = (struct code_function){
			.lo = at, .hi = at, .first = m->nr_insn, .is = FN_BARE | FN_CLEAN | FN_PART | FN_STACK_TAKEN
		};
		do {
			add_insn(m, at, hi);
			at = m->no_memory ? hi : m->fn[m->nr_fn - 1].hi;
		} while (at < hi && bit_get(c->start, at) && !bit_get(m->b->border, at));
	}
}

int bare_merge(struct bare *b)
{
	struct code *c = b->c;
	struct merged m = { .b = b };
	code_each_gap(c, build, &m);
	copy_until(&m, UINT32_MAX);
	if (m.no_memory) {
		ungrow(&m.fn, &m.fn_cap, sizeof(*m.fn));
		ungrow(&m.insn, &m.insn_cap, sizeof(*m.insn));
		return -1;
	}
	ungrow(&c->fn, &c->fn_cap, sizeof(*c->fn));
	ungrow(&c->insn, &c->insn_cap, sizeof(*c->insn));
	c->fn = m.fn;
	c->fn_cap = m.fn_cap;
	c->nr_fn = m.nr_fn;
	c->insn = m.insn;
	c->insn_cap = m.insn_cap;
	c->nr_insn = m.nr_insn;
	return 0;
}

/* Jumps and calls of such a function that lead to a computed place are understood when there is a jump table for each. */
void code_bare_jumps(struct code *c)
{
	for (uint32_t n = 0; n < c->nr_fn; n++) {
		struct code_function *f = &c->fn[n];
		uint32_t computed = 0;
		if (!(f->is & FN_BARE))
			continue;
		for (uint32_t i = f->first; i < f->first + f->count; i++)
			computed += (c->insn[i].kind == INSN_JMP_FAR || c->insn[i].kind == INSN_CALL_FAR) &&
				    c->insn[i].base != BASE_RIP;
		if (computed <= f->tables)
			continue;
		f->is |= FN_JUMPS;
		for (uint32_t i = f->first; i < f->first + f->count; i++) {
			if (!(c->insn[i].is & INSN_LEA) || c->insn[i].base != BASE_RIP)
				continue;
			uint32_t at = code_place(c, insn_goal(c, &c->insn[i]));
			struct code_function *g = at == UINT32_MAX ? NULL : code_function_at(c, at);
			if (g && (g->is & FN_BARE))
				g->is |= FN_JUMPS;
		}
	}
	/* Which of its bytes are code is known by where its jumps lead. */
	for (uint32_t n = 0; n < c->nr_fn; n++)
		if ((c->fn[n].is & (FN_BARE | FN_CLEAN | FN_JUMPS)) == (FN_BARE | FN_JUMPS))
			c->fn[n].alone = PLAN_NO_FUNCTION;
}
