/* stack.c - See stack.h. */
#include "core/stack.h"

#include <stdatomic.h>

#include "base/arena.h"
#include "base/sys.h"
#include "core/borrow.h"
#include "core/depot.h"
#include "core/module.h"
#include "core/python.h"
#include "core/stack_at.h"
#include "core/step.h"

/* Frames of ours between the unwinder and the program's call. */
#define OWN_MAX 32u
/* Where, from its CFA, a function with a frame pointer keeps its caller's (psABI figure 3.3). */
#define HOOK_RBP (-16)
/* No code lies there; and it does not change the slot of the cache. */
#define UNDER_PYTHON ((uintptr_t)1 << 62)

static _Atomic unsigned depth_max = 64;

unsigned stack_depth(void) { return atomic_load_explicit(&depth_max, memory_order_relaxed); }

void stack_set_depth(unsigned depth)
{
	depth = depth < 1 ? 1 : depth > STACK_MAX_DEPTH ? STACK_MAX_DEPTH : depth;
	atomic_store_explicit(&depth_max, depth, memory_order_relaxed);
}

/* One allocation for what a walk needs: the stack we run on may be a coroutine's few kilobytes. */
struct scratch {
	struct step_frame walked[OWN_MAX + STACK_MAX_DEPTH + 1];
	struct depot_frame frames[STACK_MAX_DEPTH];
	void *borrowed[OWN_MAX + STACK_MAX_DEPTH];
};

struct depot_frame stack_frame_of(uintptr_t pc, bool exact)
{
	const struct module *m = module_find(pc - !exact);
	struct depot_frame f = { 0 };
	f.offset = (pc - (m ? m->bias : 0)) & (((uint64_t)1 << 47) - 1);
	f.exact = exact;
	f.module = m ? m->id & 0xffff : 0;
	return f;
}

/* Finds the program's call among the frames; n if it is not there. */
static unsigned find_call(const struct step_frame *f, unsigned n, uintptr_t pc, uintptr_t cfa)
{
	unsigned i = 0;
	while (i < n && !(f[i].pc == pc && f[i].slot == cfa - 8))
		i++;
	return i;
}

/* Without the registers of the caller, what can be found by the stack pointer alone. */
static unsigned walk_blind(struct scratch *s, uintptr_t pc, uintptr_t cfa, uintptr_t lo, uintptr_t hi, unsigned max,
			   enum step_end *end)
{
	struct step_regs regs = { .known = 1u << 7 | 1u << 16 };
	regs.r[7] = cfa;
	regs.r[16] = pc - 1; /* the first pc of a walk is taken as exact; the call ends at pc */
	unsigned n = step_walk(&regs, lo, hi, s->walked, max, end);
	s->walked[0].pc = pc;
	s->walked[0].exact = false;
	return n;
}

bool stack_remember_slots(struct stack_site *site, const struct step_frame *f, unsigned n, uintptr_t pc, uintptr_t cfa,
			  uintptr_t rbp_at)
{
	unsigned nr = 0;
	for (unsigned i = 1; i < n; i++) {
		nr += 1u + (f[i].hold[0] != 0) + (f[i].hold[1] != 0);
		if (f[i].loose || f[i].slot == 0)
			return false;
	}
	uint32_t far = nr > STACK_NEAR ? nr - STACK_NEAR : 0;
	if (far > site->room) {
		uint32_t room = (far + 7) & ~7u;
		struct stack_slot *slot = arena_malloc(room * sizeof(*slot));
		if (!slot)
			return false;
		arena_free(site->slot);
		site->slot = slot;
		site->room = (uint16_t)room;
	}
	/* Always there: a call's own return address. */
	for (unsigned i = 0; i < STACK_NEAR; i++)
		site->near[i] = rbp_at ? (struct stack_slot){ .off = STACK_ALWAYS } : (struct stack_slot){ .value = pc, .off = -8 };
	unsigned filled = 0;
	for (unsigned i = 1; i < n; i++) {
		uintptr_t at[3] = { f[i].hold[0], f[i].hold[1], f[i].slot };
		for (unsigned j = 0; j < 3; j++) {
			intptr_t off = (intptr_t)(at[j] - cfa);
			if (at[j] == 0)
				continue;
			/* The caller's rbp, saved by some function of ours. The hooks make frames (they ask for
			 * their frame address), so the next time it will be the first that was pushed. */
			if (rbp_at && at[j] == rbp_at)
				off = STACK_RBP;
			else if (off < 0 && j < 2 && !rbp_at)
				off = HOOK_RBP;
			if (off != (int32_t)off || (off < 0 && off != HOOK_RBP && off != STACK_RBP))
				return false;
			struct stack_slot *to = filled < STACK_NEAR ? &site->near[filled] : &site->slot[filled - STACK_NEAR];
			to->off = (int32_t)off;
			/* A return address was read from there a moment ago, so it is mapped. */
			to->value = stack_word(at[j]);
			if (j == 2 && to->value != f[i].pc)
				return false;
			filled++;
		}
	}
	site->nr = (uint16_t)far;
	return true;
}

bool stack_learn(const struct step_frame *f, unsigned n)
{
	bool learned = false;
	for (unsigned i = 0; i < n; i++)
		if (unlikely(!module_find(f[i].pc - !f[i].exact)))
			learned |= module_learn(f[i].pc - !f[i].exact);
	return learned;
}

/* key: the pc the site is remembered under. */
static COLD __attribute__((noinline)) uint32_t capture(struct stack_cache *c, uintptr_t pc, uintptr_t cfa, uintptr_t key)
{
	struct step_regs regs;
	STEP_HERE(&regs);
	uintptr_t lo = c ? c->lo : 0, hi = c ? c->hi : 0;
	unsigned depth = stack_depth();
	struct scratch *s = arena_malloc(sizeof(*s));
	if (!s)
		return 0;
	enum step_end end;
	unsigned n, tries = 0;
	do
		n = step_walk(&regs, lo, hi, s->walked, OWN_MAX + depth, &end);
	while (unlikely(stack_learn(s->walked, n)) && tries++ < 8);
	unsigned first = find_call(s->walked, n, pc, cfa);
	bool blind = first == n;
	if (blind) {
		first = 0;
		n = walk_blind(s, pc, cfa, lo, hi, depth + 1, &end);
	}
	const struct step_frame *f = s->walked + first;
	n -= first;
	bool cut = end == STEP_CUT || n > depth || (end == STEP_FULL && n == depth);
	n = n < depth ? n : depth;
	for (unsigned i = 0; i < n; i++)
		s->frames[i] = stack_frame_of(f[i].pc, f[i].exact);

	bool borrowed = false;
	if (end == STEP_CUT && n < depth && borrow_available() && !sys_confined.on) {
		unsigned m = borrow_backtrace(s->borrowed, OWN_MAX + depth), j = 0;
		while (j < m && (uintptr_t)s->borrowed[j] != pc)
			j++;
		if (m - j > n) {
			borrowed = true;
			n = m - j < depth ? m - j : depth;
			for (unsigned i = 0; i < n; i++)
				s->frames[i] = stack_frame_of((uintptr_t)s->borrowed[j + i], false);
		}
	}
	uint32_t id = depot_put(s->frames, n, cut);
	if (c) {
		struct stack_site *site = &c->site[stack_site_at(pc, cfa) / sizeof *site];
		c->misses++;
		site->pc = 0;
		atomic_signal_fence(memory_order_seq_cst);
		/* libunwind does not say where it read an address, so what it found cannot be verified next time. */
		if (id && !borrowed && stack_remember_slots(site, f, n, pc, cfa, 0)) {
			site->cfa = cfa;
			site->stack = id;
			atomic_signal_fence(memory_order_seq_cst);
			site->pc = key;
		}
	}
	arena_free(s);
	return id;
}

COLD uint32_t stack_capture_slow(struct stack_cache *c, uintptr_t pc, uintptr_t cfa)
{
	uint32_t python = c && unlikely(atomic_load_explicit(&python_on, memory_order_relaxed)) ? python_stack(c) : 0;
	if (likely(!python))
		return capture(c, pc, cfa, pc);
	uint32_t native = stack_capture(c, pc | UNDER_PYTHON, cfa);
	return python_both(c, native ? native : capture(c, pc, cfa, pc | UNDER_PYTHON), python);
}

void stack_cache_reset(struct stack_cache *c, uintptr_t lo, uintptr_t hi)
{
	c->lo = lo;
	c->hi = hi;
	/* The slots are kept for the next owner. */
	for (unsigned i = 0; i < STACK_SITES; i++)
		c->site[i].pc = c->site[i].cfa = 0;
}
