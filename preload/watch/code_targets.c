/*
 * code_targets.c - Every place that may be jumped to: too many is safe, one too few corrupts the program.
 *
 * A jump that is not written down as such goes through a code address that stands somewhere: in an instruction, in
 * data, as the difference of two labels. So each of these is looked for, without asking what it is for.
 */
#include "watch/code.h"
#include "base/arena.h"

#define TABLE_MAX 65536u      /* entries of one jump table */
#define BASES_MAX 64u         /* label addresses of one function */
#define WORDS_MAX (64u << 20) /* words looked at for the label differences of one function */
#define WAYS_MAX  48u         /* ways followed back from one */
#define BACK_MAX  32u         /* instructions looked back from an indirect jump */
#define RSEQ_SIG  0x53053053u /* stands before the abort handler. source: Linux rseq(2), x86 */

static void mark(struct code *c, uintptr_t addr)
{
	uint32_t at = code_place(c, addr);
	if (at != UINT32_MAX)
		bit_set(c->target, at);
}

/* Some instruction forms the address of these four bytes: what is read up to here ends. */
static bool formed(const struct code *c, uintptr_t addr)
{
	return c->formed && addr - c->low < c->high - c->low && bit_get(c->formed, (uint32_t)((addr - c->low) / 4));
}

int code_formed(struct code *c)
{
	c->low = c->high = c->base;
	for (unsigned d = 0; d < c->view->nr_data; d++) {
		const struct code_data *v = &c->view->data[d];
		c->low = v->lo < c->low ? v->lo : c->low;
		c->high = v->hi > c->high ? v->hi : c->high;
	}
	c->low &= ~(uintptr_t)3;
	if (c->high - c->low >= INT32_MAX) {
		c->high = c->low;
		return 0;
	}
	c->formed = arena_map((c->high - c->low) / 32 + 16);
	for (uint32_t n = 0; c->formed && n < c->nr_insn; n++) {
		const struct insn *i = &c->insn[n];
		uintptr_t addr = insn_goal(c, i);
		if (i->base == BASE_RIP && (i->is & INSN_LEA) && addr - c->low < c->high - c->low)
			bit_set(c->formed, (uint32_t)((addr - c->low) / 4));
	}
	return c->formed ? 0 : -1;
}

/* An instruction of a function begins at this place, or might: in a gap there may be code that was not understood, and in the
 * middle of guessed instructions one that was taken for part of another. */
static bool may_begin(const struct code *c, uint32_t at, bool guess)
{
	if (at == UINT32_MAX || bit_get(c->start, at))
		return at != UINT32_MAX;
	const struct code_function *f = code_function_at(c, at);
	return !f || (guess && (f->is & FN_BARE));
}

/* Readable up to where, if not inside a function; 0: not at all. */
static uintptr_t data_end(const struct code *c, uintptr_t addr)
{
	for (unsigned i = 0; i < c->view->nr_data; i++)
		if (addr >= c->view->data[i].lo && addr < c->view->data[i].hi)
			return c->view->data[i].hi;
	for (unsigned i = 0; i < c->view->nr_text; i++)
		if (addr >= c->view->text[i].lo && addr < c->view->text[i].hi)
			return code_function_at(c, (uint32_t)(addr - c->base)) ? 0 : c->view->text[i].hi;
	return 0;
}

/* What `lea` forms the address of may be a jump table: offsets relative to its own beginning. */
static void try_table(struct code *c, struct code_function *f, uintptr_t table)
{
	uintptr_t end = data_end(c, table);
	unsigned own = 0;
	bool known = true, guess = true;
	for (unsigned n = 0; n < TABLE_MAX && table + 4 * n + 4 <= end; n++) {
		uint32_t at = code_place(c, table + (uintptr_t)(int32_t)read32((const void *)(table + 4 * n)));
		guess &= n == 0 || !formed(c, table + 4 * n); /* not of the next table's */
		if (!may_begin(c, at, guess))
			break;
		bit_set(c->target, at);
		known &= bit_get(c->start, at);
		own += known && at >= f->lo && at < f->hi;
	}
	if (own >= 2) {
		f->is |= FN_TABLE;
		f->tables += f->tables < UINT8_MAX;
	}
}

void code_table(struct code *c, uintptr_t addr)
{
	struct code_function nobody = { .lo = 0 };
	if (data_end(c, addr))
		try_table(c, &nobody, addr);
}

/* An address that an instruction forms. */
static void take_address(struct code *c, struct code_function *f, uintptr_t addr)
{
	uint32_t at = code_place(c, addr);
	if (at != UINT32_MAX) {
		bit_set(c->target, at);
		if (at >= f->lo && at < f->hi)
			f->is |= FN_OWN_LEA;
	}
	f->is |= FN_LEA;
	if (data_end(c, addr))
		try_table(c, f, addr);
}

/* pop, add to %rsp, leave: the end of a stack frame, behind which there are tail calls only. */
static bool ends_frame(const struct code *c, const struct insn *i)
{
	const uint8_t *p = code_bytes(c, i->at);
	if (i->kind != INSN_PLAIN || !(i->changes >> RSP & 1))
		return false;
	if (i->len <= 2)
		return (p[i->len - 1] & 0xf8) == 0x58 || p[0] == 0xc9;
	return i->len >= 4 && p[0] == 0x48 && (p[1] == 0x83 || p[1] == 0x81) && p[2] == 0xc4;
}

/* A register's value just before an instruction. */
struct way {
	uint32_t before;
	uint8_t reg;
};

struct ways {
	struct way way[WAYS_MAX];
	uint32_t nr, done;
};

static bool add_way(struct ways *w, uint32_t before, uint8_t reg)
{
	for (uint32_t k = 0; k < w->nr; k++)
		if (w->way[k].before == before && w->way[k].reg == reg)
			return true;
	if (w->nr == WAYS_MAX)
		return false;
	w->way[w->nr++] = (struct way){ before, reg };
	return true;
}

/* Whoever jumps to instruction `at` of the function brings the register along. False: nobody known, or too many. */
static bool add_jumpers(const struct code *c, const struct code_function *f, struct ways *w, uint32_t at, uint8_t reg)
{
	bool any = false;
	for (uint32_t n = f->first; n < f->first + f->count; n++) {
		const struct insn *i = &c->insn[n];
		if ((i->kind != INSN_JCC && i->kind != INSN_JMP) || insn_goal(c, i) != c->base + c->insn[at].at)
			continue;
		any = true;
		if (!add_way(w, n, reg))
			return false;
	}
	return any;
}

/* The register was loaded just before instruction `at`. */
static bool loaded(const struct code *c, const struct code_function *f, uint32_t at, uint8_t reg)
{
	for (uint32_t i = at; reg != NO_REG && i > f->first && at - i < BACK_MAX; i--) {
		const struct insn *n = &c->insn[i - 1];
		if (n->kind != INSN_PLAIN)
			return false;
		if (!(n->changes >> reg & 1))
			continue;
		if ((n->is & INSN_READS) || !(n->is & INSN_MOV64) || !(n->reads & GPRS_ALL))
			return (n->is & INSN_READS) != 0;
		reg = (uint8_t)__builtin_ctz(n->reads & GPRS_ALL);
	}
	return false;
}

/* Adds something from memory, as the difference of two labels is. Else it is arithmetic: who knows what comes of it. */
static bool adds_loaded(const struct code *c, const struct code_function *f, uint32_t at)
{
	const struct insn *n = &c->insn[at];
	const uint8_t *p = code_bytes(c, n->at);
	if (n->is & INSN_LEA)
		return n->scale == 1 && n->disp == 0 && (loaded(c, f, at, n->base) || loaded(c, f, at, n->index));
	if (n->len < 3 || (p[0] & 0xf8) != 0x48 || (p[1] & 0xfd) != 0x01)
		return false;
	if (p[2] < 0xc0)
		return p[1] == 0x03;
	return loaded(c, f, at, (p[2] >> 3 & 7) | (p[0] & 4) << 1) || loaded(c, f, at, (p[2] & 7) | (p[0] & 1) << 3);
}

/* Follows one way back to where the value comes from; true: that is memory, an address formed, or the caller. */
static bool follow(const struct code *c, struct code_function *f, struct ways *w, struct way from)
{
	uint8_t reg = from.reg;
	bool known = true;
	for (uint32_t i = from.before; i > f->first; i--) {
		const struct insn *n = &c->insn[i - 1];
		if (from.before - i > BACK_MAX || (n->kind != INSN_PLAIN && n->kind != INSN_JCC))
			return false;
		if (!(f->is & FN_OWN_LEA) && ends_frame(c, n))
			return known;
		if (n->changes >> reg & 1) {
			if ((n->is & INSN_LEA) && n->base == BASE_RIP)
				return known; /* itself a target */
			if (!(n->is & INSN_MOV64)) {
				if ((n->is & INSN_LEA) && n->scale > 1)
					f->is |= FN_JUMPS;
				f->is |= adds_loaded(c, f, i - 1) ? 0 : FN_ARITHMETIC;
				return false;
			}
			if ((n->is & INSN_READS) || !(n->reads & ~(1u << RSP) & GPRS_ALL))
				return known; /* mov from memory, pop */
			reg = (uint8_t)__builtin_ctz(n->reads & GPRS_ALL);
		}
		if (i - 1 == f->first || !bit_get(c->target, n->at))
			continue;
		/* Whatever it is that comes from elsewhere, what comes from above is looked at all the same. */
		known &= add_jumpers(c, f, w, i - 1, reg);
		const struct insn *above = &c->insn[i - 2];
		if (above->kind == INSN_JMP || above->kind == INSN_JMP_FAR || above->kind == INSN_RET)
			return known; /* nobody comes from there */
	}
	return known && !(f->is & FN_PART);
}

/* Where the target of `jmp *reg` comes from; true: from memory, so that it stands there as an address, or it is
 * another function. */
static bool jump_loaded(const struct code *c, struct code_function *f, uint32_t jump)
{
	const struct insn *j = &c->insn[jump];
	struct ways w = { .nr = 0 };
	if ((j->is & INSN_READS) || j->len < 2)
		return true;
	const uint8_t *p = code_bytes(c, j->at);
	uint8_t reg = p[j->len - 1] & 7;
	for (unsigned k = 0; k + 2 < j->len; k++)
		reg |= (p[k] & 0xf1) == 0x41 ? 8 : 0;
	/* The jump may itself be jumped to: begin behind it. */
	add_way(&w, jump, reg);
	bool known = jump == f->first || !bit_get(c->target, j->at) || add_jumpers(c, f, &w, jump, reg);
	while (w.done < w.nr)
		known &= follow(c, f, &w, w.way[w.done++]);
	return known;
}

static void take_insn(struct code *c, struct code_function *f, const struct insn *i)
{
	if (i->kind == INSN_CALL || i->kind == INSN_CALL_FAR) /* setjmp returns there twice */
		bit_set(c->target, i->at + i->len);
	if (i->kind == INSN_JCC || i->kind == INSN_JMP || i->kind == INSN_CALL || i->kind == INSN_LOOP)
		mark(c, insn_goal(c, i));
	if (i->is & INSN_ENDBR)
		bit_set(c->target, i->at);
	if (i->base == BASE_RIP && (i->is & INSN_LEA)) {
		take_address(c, f, insn_goal(c, i));
	} else if (i->base == BASE_RIP && (i->is & (INSN_READS | INSN_WRITES))) {
		uint32_t at = code_place(c, insn_goal(c, i));
		struct code_function *g = at != UINT32_MAX ? code_function_at(c, at) : NULL;
		if (g)
			g->alone = PLAN_DATA_IN_TEXT;
	}
	if (c->view->pie)
		return;
	const uint8_t *end = code_bytes(c, i->at + i->len);
	if (i->is & INSN_IMM) {
		take_address(c, f, read32(end - 4));
		if (i->len >= 10)
			take_address(c, f, read64(end - 8));
	}
	if ((i->is & INSN_LEA) && i->base != BASE_RIP)
		take_address(c, f, (uint32_t)i->disp);
}

/* A word of data that may be a code address; at: the word itself. */
static void take_word(struct code *c, uintptr_t word, const void *at, uintptr_t lo)
{
	uint32_t to = code_place(c, word);
	if (to == UINT32_MAX)
		return;
	bit_set(c->target, to);
	/* Between two executable segments nothing may be mapped. */
	if (code_place(c, word - 4) == UINT32_MAX || read32(code_bytes(c, to - 4)) != RSEQ_SIG)
		return;
	/* struct rseq_cs: version and flags, start_ip, post_commit_offset, abort_ip */
	struct code_function *f = code_function_at(c, to);
	if (f)
		f->alone = PLAN_RSEQ;
	if ((uintptr_t)at < lo + 16)
		return;
	to = code_place(c, read64((const char *)at - 16));
	f = to == UINT32_MAX ? NULL : code_function_at(c, to);
	if (f)
		f->alone = PLAN_RSEQ;
}

static void take_words(struct code *c, uintptr_t lo, uintptr_t hi)
{
	uintptr_t from = c->base, bytes = c->span;
	for (uintptr_t at = (lo + 7) & ~(uintptr_t)7; at + 8 <= hi; at += 8) {
		uintptr_t word = *(const uint64_t *)at;
		if (unlikely(word - from < bytes))
			take_word(c, word, (const void *)at, lo);
	}
}

/* Nothing falls into this place: a label of a goto's mostly stands behind a jump. */
static bool behind_jump(const struct code *c, const struct code_function *f, uint32_t at)
{
	uint32_t n = code_insn_from(c, at);
	if (n <= f->first)
		return false;
	uint8_t kind = c->insn[n - 1].kind;
	return kind == INSN_JMP || kind == INSN_JMP_FAR || kind == INSN_RET;
}

/* Words in a row of all data that, added to a label's address, hit different instructions of this function, one of them
 * (not the label) behind a jump: that is a table. Each word that hits any is believed. */
static bool label_differences(struct code *c, const struct code_function *f, uintptr_t label)
{
	bool table = false;
	for (unsigned d = 0; d < c->view->nr_data; d++) {
		const struct code_data *v = &c->view->data[d];
		uintptr_t first = 0; /* of the row */
		bool differ = false, behind = false;
		for (uintptr_t at = (v->lo + 3) & ~(uintptr_t)3; at + 4 <= v->hi; at += 4) {
			uintptr_t to = label + (uintptr_t)(intptr_t)(int32_t)read32((const void *)at) - c->base;
			if (likely(to - f->lo >= f->hi - f->lo) || !bit_get(c->start, (uint32_t)to)) {
				first = 0;
				differ = behind = false;
				continue;
			}
			bit_set(c->target, (uint32_t)to);
			differ |= first && to != first;
			behind |= to != label - c->base && behind_jump(c, f, (uint32_t)to);
			first = to;
			table |= differ && behind;
		}
	}
	return table;
}

/* A computed jump nobody understands: GNU C's &&label differences, or anything else. */
static void resolve(struct code *c, struct code_function *f)
{
	bool found = false;
	size_t words = 0;
	if (f->is & FN_ARITHMETIC) {
		f->is |= FN_JUMPS;
		return;
	}
	for (unsigned d = 0; d < c->view->nr_data; d++)
		words += (c->view->data[d].hi - c->view->data[d].lo) / 4;
	unsigned bases = 0;
	for (uint32_t n = f->first; n < f->first + f->count; n++) {
		const struct insn *i = &c->insn[n];
		if (!(i->is & INSN_LEA) || i->base != BASE_RIP || code_place(c, insn_goal(c, i)) == UINT32_MAX)
			continue;
		if (++bases > BASES_MAX || words * bases > WORDS_MAX) {
			found = false;
			break;
		}
		found |= label_differences(c, f, insn_goal(c, i));
	}
	if (!found)
		f->is |= FN_JUMPS;
}

/* Where guessed code is entered in the middle of an instruction, others begin there, until both agree: they count too. */
static void take_swallowed(struct code *c, const struct decoder *d, struct code_function *f)
{
	for (uint32_t entry = f->lo; entry < f->hi; entry++)
		for (uint32_t at = entry; at < f->hi && bit_get(c->target, entry) && !bit_get(c->start, at);) {
			struct insn i = { .at = at };
			if (!d->decode(d, code_bytes(c, at), f->hi - at, &i) || i.len == 0 || i.len > f->hi - at)
				break;
			take_insn(c, f, &i);
			if (i.kind == INSN_JMP_FAR && i.base != BASE_RIP)
				f->is |= FN_JUMPS;
			at += i.len;
			if (i.kind == INSN_JMP || i.kind == INSN_JMP_FAR || i.kind == INSN_RET || i.kind == INSN_STOP)
				break;
		}
}

void code_targets(struct code *c, const struct decoder *decoder)
{
	for (uint32_t n = 0; n < c->nr_fn; n++) {
		struct code_function *f = &c->fn[n];
		bit_set(c->target, f->lo);
		code_landing_pads(c, f);
		for (uint32_t i = f->first; i < f->first + f->count; i++)
			take_insn(c, f, &c->insn[i]);
	}
	for (unsigned d = 0; d < c->view->nr_data; d++)
		take_words(c, c->view->data[d].lo, c->view->data[d].hi);
	for (unsigned t = 0, f = 0; t < c->view->nr_text; t++) {
		uintptr_t at = c->view->text[t].lo;
		for (; f < c->nr_fn && c->base + c->fn[f].lo < c->view->text[t].hi; f++) {
			take_words(c, at, c->base + c->fn[f].lo);
			at = c->base + c->fn[f].hi;
		}
		take_words(c, at, c->view->text[t].hi);
	}
	for (size_t r = 0; r < c->view->nr_rela; r++)
		if (ELF64_R_TYPE(c->view->rela[r].r_info) == R_X86_64_RELATIVE)
			mark(c, c->view->bias + (uintptr_t)c->view->rela[r].r_addend);
	/* Assembly may have several ways into what is one function for the unwinder. */
	for (size_t s = 0; s < c->view->nr_symbols; s++)
		if (c->view->symbols[s].st_shndx != SHN_UNDEF && c->view->symbols[s].st_shndx < SHN_LORESERVE)
			mark(c, c->view->bias + c->view->symbols[s].st_value);
	/* Once, and once more for what they lead to. */
	for (uint32_t n = 0; n < 2 * c->nr_fn; n++)
		if (c->fn[n % c->nr_fn].is & FN_BARE)
			take_swallowed(c, decoder, &c->fn[n % c->nr_fn]);
	for (uint32_t n = 0; n < c->nr_fn; n++) {
		struct code_function *f = &c->fn[n];
		for (uint32_t i = f->first; i < f->first + f->count; i++)
			if (c->insn[i].kind == INSN_JMP_FAR && !jump_loaded(c, f, i))
				f->is |= FN_COMPUTED;
		if ((f->is & (FN_COMPUTED | FN_BARE)) == FN_COMPUTED && ((f->is & FN_OWN_LEA) || (f->is & (FN_LEA | FN_TABLE)) == FN_LEA))
			resolve(c, f);
	}
}
