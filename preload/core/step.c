/* step.c - See step.h. */
#include "core/step.h"

#include <signal.h>
#include <sys/uio.h>

#include "base/sys.h"
#include "core/step_rule.h"

#define PAGE     4096u
#define BIT(reg) (1u << (reg))
enum { RBX = 3, RBP = 6, RSP = 7, R12 = 12, RA = 16 };
/* psABI figure 3.4: a function gives these back as it found them. */
#define PRESERVED (BIT(RBX) | BIT(RBP) | 0xfu << R12)

struct walk {
	uintptr_t r[STEP_REGS];
	uintptr_t from[STEP_REGS]; /* where in memory r[i] was saved last, 0: nowhere */
	uint32_t known;
	bool exact;   /* r[RA] is not a return address */
	bool full;    /* keep track of all registers */
	bool known_code; /* stop where no rule is */
	bool lacking; /* a rule wanted one that was not kept track of */
	bool loose;
	uintptr_t slot, hold[2];
	uintptr_t window, window_bytes; /* words beginning in [window, window + window_bytes) may be read */
	uintptr_t stack_lo, stack_hi;
};

/* A load that a sanitizer leaves alone: it may hit anything on the stack. */
static inline uintptr_t load(uintptr_t addr)
{
	uintptr_t v;
	__asm__("movq %1, %0" : "=r"(v) : "m"(*(const uintptr_t *)addr));
	return v;
}

bool step_readable(uintptr_t addr)
{
	/* The kernel copies the set before it looks at `how`: EFAULT says no, EINVAL yes; nothing is changed. */
	return sys4(SYS_rt_sigprocmask, ~0, addr & ~(uintptr_t)7, 0, 8) == -EINVAL;
}

bool step_probe(uintptr_t addr, uintptr_t *value)
{
	uintptr_t v;
	struct iovec to = { &v, sizeof(v) }, in = { (void *)addr, sizeof(v) };
	long got = sys6(SYS_process_vm_readv, sys_gettid(), (long)&to, 1, (long)&in, 1, 0);
	if (got < 0 && got != -EFAULT) { /* forbidden here (seccomp, old container runtimes) */
		if (!step_readable(addr) || !step_readable(addr + 7))
			return false;
		v = load(addr);
		got = sizeof(v);
	}
	if (got != sizeof(v))
		return false;
	*value = v;
	return true;
}

static void window_set(struct walk *w, uintptr_t lo, uintptr_t hi)
{
	w->window = lo;
	w->window_bytes = hi - lo >= 8 ? hi - lo - 7 : 0;
}

/* Makes the word at addr readable through the window, or says no. */
static COLD bool window_move(struct walk *w, uintptr_t addr)
{
	uintptr_t sp = w->r[RSP];
	if (sp >= w->stack_lo && sp < w->stack_hi && addr >= sp && addr < w->stack_hi - 7) {
		window_set(w, sp, w->stack_hi);
		return true;
	}
	uintptr_t page = addr & -(uintptr_t)PAGE, end = (addr + 7) & -(uintptr_t)PAGE;
	if (addr > UINTPTR_MAX - 2 * PAGE || !step_readable(page) || (end != page && !step_readable(end)))
		return false;
	uintptr_t lo = page, hi = end + PAGE;
	if (w->window_bytes && w->window + w->window_bytes + 7 == page)
		lo = w->window; /* goes on where we were */
	window_set(w, lo, hi);
	return true;
}

static inline bool word(struct walk *w, uintptr_t addr, uintptr_t *v)
{
	if (unlikely(addr - w->window >= w->window_bytes) && !window_move(w, addr))
		return false;
	*v = load(addr);
	return true;
}

static bool word_for_expr(void *arg, uintptr_t addr, uintptr_t *v)
{
	return word(arg, addr, v);
}

enum went { WENT_OUT, WENT_BOTTOM, WENT_NOWHERE };

/* Says how the CFA depended on registers other than rsp. */
static void depends(struct walk *w, uint32_t used, uintptr_t last_read)
{
	unsigned n = 0;
	used &= ~(BIT(RSP) | BIT(RA));
	w->hold[0] = w->hold[1] = 0;
	w->loose = (used & (used - 1)) != 0;
	if (used) {
		unsigned reg = (unsigned)__builtin_ctz(used);
		w->loose |= w->from[reg] == 0 || reg != RBP; /* nobody else saves another one where it can be found */
		if (w->from[reg])
			w->hold[n++] = w->from[reg];
	}
	if (last_read)
		w->hold[n] = last_read;
}

static bool find_cfa(struct walk *w, const struct cfi_fde *fde, const struct cfi_row *row, uintptr_t *cfa)
{
	if (!row->cfa_expr) {
		if (!(w->known & BIT(row->cfa_reg))) {
			w->lacking = true;
			return false;
		}
		*cfa = w->r[row->cfa_reg] + (uintptr_t)(intptr_t)row->cfa_value;
		depends(w, BIT(row->cfa_reg), 0);
		return *cfa > w->r[RSP] || row->reg[RSP].how != CFI_UNSET; /* longjmp and its like go anywhere */
	}
	struct cfi_span bytes;
	struct expr_env env = { w->r, w->known, word_for_expr, w, 0, 0 };
	if (!cfi_expr_bytes(&fde->span, (uint32_t)row->cfa_value, &bytes))
		return false;
	enum expr_end end = expr_eval(&bytes, &env, NULL, cfa);
	w->lacking |= end == EXPR_LACKING;
	depends(w, env.used, env.last_read);
	return end == EXPR_OK; /* may lead to another stack */
}

/* What a register was in the caller. False: not known. */
static bool find_reg(struct walk *w, const struct cfi_fde *fde, const struct cfi_rule *rule, unsigned reg,
		     uintptr_t cfa, uintptr_t *value, uintptr_t *from)
{
	uintptr_t at = cfa + (uintptr_t)(intptr_t)rule->value;
	struct cfi_span bytes;
	struct expr_env env = { w->r, w->known, word_for_expr, w, 0, 0 };
	*from = 0;
	switch ((enum cfi_how)rule->how) {
	case CFI_UNSET:
		if (reg == RSP) {
			*value = cfa;
			return true;
		}
		if (!(PRESERVED >> reg & 1))
			return false;
		/* fallthrough */
	case CFI_SAME:
		*value = w->r[reg];
		*from = w->from[reg];
		return w->known >> reg & 1;
	case CFI_UNDEFINED:
		return false;
	case CFI_IS_OFFSET:
		*value = at;
		return true;
	case CFI_REGISTER:
		*value = w->r[rule->value];
		*from = w->from[rule->value];
		return w->known >> rule->value & 1;
	case CFI_IS_EXPR:
	case CFI_AT_EXPR:
		if (!cfi_expr_bytes(&fde->span, (uint32_t)rule->value, &bytes))
			return false;
		enum expr_end end = expr_eval(&bytes, &env, &cfa, &at);
		w->lacking |= end == EXPR_LACKING && reg == RA;
		if (end != EXPR_OK)
			return false;
		*value = at;
		if (rule->how == CFI_IS_EXPR)
			return true;
		break;
	case CFI_AT_OFFSET:
		break;
	}
	*from = at;
	return word(w, at, value);
}

static enum went by_row(struct walk *w, const struct cfi_fde *fde, const struct cfi_row *row)
{
	uintptr_t cfa, r[STEP_REGS], from[STEP_REGS];
	uint32_t known = 0;
	if (row->reg[fde->ra].how == CFI_UNDEFINED)
		return WENT_BOTTOM;
	if (!find_cfa(w, fde, row, &cfa))
		return WENT_NOWHERE;
	for (unsigned i = 0; i < STEP_REGS; i++)
		if (find_reg(w, fde, &row->reg[i], i, cfa, &r[i], &from[i]))
			known |= BIT(i);
	if (!(known & BIT(fde->ra)) || !(known & BIT(RSP))) {
		/* A return address in a register that we did not keep track of. */
		w->lacking |= row->reg[fde->ra].how == CFI_REGISTER;
		return WENT_NOWHERE;
	}
	for (unsigned i = 0; i < STEP_REGS; i++)
		if (known & BIT(i)) {
			w->r[i] = r[i];
			w->from[i] = from[i];
		}
	w->r[RA] = w->r[fde->ra];
	w->slot = w->from[fde->ra];
	w->known = known | BIT(RA);
	w->exact = fde->signal;
	return WENT_OUT;
}

/* Whether a call instruction ends at addr: E8 rel32, or FF /2 in one of its lengths. */
static bool after_call(uintptr_t addr)
{
	uintptr_t v;
	if (addr < PAGE || !step_probe(addr - 8, &v))
		return false;
	uint8_t b[8];
	__builtin_memcpy(b, &v, sizeof(b));
	static const uint8_t length[] = { 2, 3, 4, 6, 7 };
	for (unsigned i = 0; i < ARRAY_SIZE(length); i++)
		if (b[8 - length[i]] == 0xff && (b[9 - length[i]] & 0x38) == 0x10)
			return true;
	return b[3] == 0xe8;
}

/* A sigreturn trampoline that no FDE describes: mov $15, %eax or %rax; syscall. source: libgcc's md-unwind fallback. */
static bool is_sigreturn(uintptr_t pc)
{
	uintptr_t a, b;
	if (!step_probe(pc, &a))
		return false;
	if ((a & 0x00ffffffffffffffu) == 0x00050f0000000fb8u)
		return true;
	return a == 0x0f0000000fc0c748u && step_probe(pc + 8, &b) && (uint8_t)b == 0x05;
}

static enum went by_sigreturn(struct walk *w)
{
	/* rsp stands at the ucontext; its registers begin at 40, in the kernel's order (asm/sigcontext.h). */
	static const uint8_t dwarf[] = { 8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7, 16 };
	uintptr_t base = w->r[RSP] + 40, v[STEP_REGS];
	for (unsigned i = 0; i < ARRAY_SIZE(dwarf); i++)
		if (!word(w, base + 8 * i, &v[i]))
			return WENT_NOWHERE;
	for (unsigned i = 0; i < ARRAY_SIZE(dwarf); i++) {
		w->r[dwarf[i]] = v[i];
		w->from[dwarf[i]] = base + 8 * i;
	}
	w->known = BIT(STEP_REGS) - 1;
	w->slot = w->from[RA];
	w->hold[0] = w->from[RSP];
	w->hold[1] = 0;
	w->loose = false;
	w->exact = true;
	return WENT_OUT;
}

/* A return address that no call pushed, as makecontext puts the beginning of a function under a new stack. */
static enum went by_first_row(struct walk *w, const struct cfi_fde *fde, const struct cfi_row *row)
{
	enum went went = by_row(w, fde, row);
	return went == WENT_OUT && (w->exact || after_call(w->r[RA])) ? WENT_OUT : WENT_BOTTOM;
}

/* Generated code, and assembly without CFI. */
static COLD enum went without_row(struct walk *w)
{
	uintptr_t sp = w->r[RSP], bp = w->r[RBP], ret, next;
	struct cfi_fde fde;
	struct cfi_row row;
	const struct module *m = module_find(w->r[RA]);
	if (!w->exact && m && rule_row(m, w->r[RA], &fde, &row) && fde.start == w->r[RA])
		return by_first_row(w, &fde, &row);
	if (w->known_code)
		return WENT_NOWHERE;
	if (is_sigreturn(w->r[RA]))
		return by_sigreturn(w);
	if (w->exact && word(w, sp, &ret) && after_call(ret)) {
		/* Interrupted before it had a frame, or having jumped to nowhere. */
		w->hold[0] = w->hold[1] = 0;
		w->loose = false;
		w->slot = sp;
		w->r[RSP] = sp + 8;
	} else if ((w->known & BIT(RBP)) && bp >= sp && bp % 8 == 0 && bp - sp < 1u << 24 && word(w, bp + 8, &ret) &&
		   word(w, bp, &next) && after_call(ret)) {
		depends(w, BIT(RBP), 0);
		w->slot = bp + 8;
		w->from[RBP] = bp;
		w->r[RBP] = next;
		w->r[RSP] = bp + 16;
	} else {
		return WENT_NOWHERE;
	}
	w->r[RA] = ret;
	w->known &= BIT(RBP) | BIT(RSP) | BIT(RA);
	w->exact = false;
	return WENT_OUT;
}

/* One frame by the book, and its rule remembered where it has one. */
static COLD enum went step_slow(struct walk *w)
{
	struct cfi_fde fde;
	struct cfi_row row;
	uint32_t epoch = module_epoch();
	uintptr_t addr = w->r[RA] - !w->exact;
	const struct module *m = module_find(addr);
	if (!m || !rule_row(m, addr, &fde, &row))
		return without_row(w);
	uint32_t rule = rule_pack(m, &fde, &row);
	if (rule != RULE_NONE)
		rule_add(addr, rule, epoch);
	return by_row(w, &fde, &row);
}

/* One frame by its cached rule. False: it has none. */
static inline bool step_fast(struct walk *w, enum went *went)
{
	uint32_t rule = rule_cached(w->r[RA] - !w->exact);
	uint32_t kind = RULE_KIND(rule);
	uintptr_t cfa, ret, bp = w->r[RBP], sp = w->r[RSP], bp_at;
	*went = WENT_NOWHERE;
	if (likely(kind == RULE_SP || kind == RULE_BP)) {
		cfa = (kind == RULE_SP ? sp : bp) + 8 * RULE_CFA(rule);
		bp_at = RULE_RBP(rule) ? cfa - 8 - 8 * RULE_RBP(rule) : 0;
		w->hold[1] = 0;
		w->hold[0] = RULE_MOVING(rule) ? w->from[RBP] : 0;
	} else if (kind == RULE_DRAP) {
		uintptr_t at = bp - 8 * RULE_CFA(rule);
		bp_at = bp;
		if (bp < sp || !(w->known & BIT(RBP)) || !word(w, at, &cfa))
			return true;
		w->hold[0] = w->from[RBP] ? w->from[RBP] : at;
		w->hold[1] = w->from[RBP] ? at : 0;
	} else {
		*went = WENT_BOTTOM;
		return kind == RULE_BOTTOM;
	}
	w->loose = RULE_MOVING(rule) && !w->from[RBP];
	if (unlikely(cfa <= sp || (kind == RULE_BP && !(w->known & BIT(RBP))) || !word(w, cfa - 8, &ret)))
		return true;
	if (bp_at) {
		if (unlikely(!word(w, bp_at, &bp)))
			return true;
		w->r[RBP] = bp;
		w->from[RBP] = bp_at;
	}
	w->r[RSP] = cfa;
	w->r[RA] = ret;
	w->slot = cfa - 8;
	w->exact = false;
	w->known = (w->known & BIT(RBP)) | (bp_at ? BIT(RBP) : 0) | BIT(RSP) | BIT(RA);
	*went = WENT_OUT;
	return true;
}

static unsigned walk(struct walk *w, struct step_frame *out, unsigned max, enum step_end *end)
{
	unsigned n = 0;
	*end = STEP_FULL;
	while (n < max) {
		out[n++] = (struct step_frame){ w->r[RA], w->slot, { w->hold[0], w->hold[1] }, w->exact, w->loose };
		enum went went;
		if (unlikely(w->full || !step_fast(w, &went)))
			went = step_slow(w);
		if (unlikely(went != WENT_OUT || (w->r[RA] == 0 && !w->exact))) {
			/* Nobody returns to 0: whoever made this stack put it there as its end. */
			*end = went == WENT_NOWHERE ? STEP_CUT : STEP_BOTTOM;
			break;
		}
	}
	return n;
}

static void walk_begin(struct walk *w, const struct step_regs *regs, uintptr_t lo, uintptr_t hi, bool full)
{
	for (unsigned i = 0; i < STEP_REGS; i++) {
		w->r[i] = regs->r[i];
		w->from[i] = 0;
	}
	w->known = regs->known;
	w->from[RBP] = regs->rbp_at;
	w->known_code = regs->known_code;
	w->exact = true;
	w->full = full;
	w->lacking = w->loose = false;
	w->slot = w->hold[0] = w->hold[1] = 0;
	w->stack_lo = lo;
	w->stack_hi = hi >= 8 ? hi : 0;
	window_set(w, 0, 0);
	if (w->r[RSP] >= lo && w->r[RSP] < hi)
		window_set(w, w->r[RSP], hi);
}

unsigned step_walk(const struct step_regs *regs, uintptr_t stack_lo, uintptr_t stack_hi, struct step_frame *out,
		   unsigned max, enum step_end *end)
{
	static _Atomic uint32_t flushed = 1; /* module_epoch() begins there */
	uint32_t epoch = module_epoch();
	struct walk w;
	if (unlikely(atomic_load_explicit(&flushed, memory_order_relaxed) != epoch)) {
		rule_flush();
		atomic_store_explicit(&flushed, epoch, memory_order_relaxed);
	}
	walk_begin(&w, regs, stack_lo, stack_hi, false);
	unsigned n = walk(&w, out, max, end);
	if (unlikely(w.lacking)) {
		/* Rare enough to begin anew: some frame's CFA hangs on a register that cached rules do not follow. */
		walk_begin(&w, regs, stack_lo, stack_hi, true);
		n = walk(&w, out, max, end);
	}
	return n;
}

void step_flush(void)
{
	rule_flush();
}
