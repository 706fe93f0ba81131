/*
 * miss.c - See miss.h.
 *
 * Compiled with -mgeneral-regs-only (Makefile): the fast half runs between two instructions of the program, whose
 * vector registers are not saved.
 */
#include "watch/miss.h"

#include "base/sys.h"
#include "detect/race.h"
#include "detect/verbs.h"
#include "watch/rep.h"
#include "watch/site.h"
#include "watch/vector.h"

#include <asm/prctl.h>
#include <cpuid.h>
#include <stddef.h>

__thread struct watch_tls watch_tls;
struct thread *(*watch_thread_of_caller)(void);
uintptr_t watch_private_lo, watch_private_hi;
void (*watch_in_vain)(void);

static inline uint64_t watch_gs(void)
{
	uint64_t gs;
	__asm__ volatile("rdgsbase %0" : "=r"(gs));
	return gs;
}

uint32_t watch_xsave_bytes __attribute__((visibility("hidden")));
uint64_t watch_xsave_mask __attribute__((visibility("hidden")));

#define XSAVE_HEADER 576 /* legacy area and header */

bool miss_start(void)
{
	unsigned a, b, c, d;
	if (sys2(SYS_arch_prctl, ARCH_GET_CPUID, 0) == 0)
		return false; /* it would fault */
	__cpuid(1, a, b, c, d);
	if (!(c >> 27 & 1)) /* OSXSAVE */
		return false;
	uint32_t lo, hi;
	__asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	/* x87, SSE, AVX, AVX-512; not AMX (8 KiB), which no code of ours or libc's touches. */
	watch_xsave_mask = lo & 0xe7;
	uint32_t bytes = XSAVE_HEADER;
	for (unsigned i = 2; i < 8; i++)
		if (watch_xsave_mask >> i & 1) {
			__cpuid_count(13, i, a, b, c, d);
			if (a + b > bytes)
				bytes = a + b;
			vector_component(i, b);
		}
	watch_xsave_bytes = (bytes + 63) & ~63u;
	return true;
}

/* Called by the assembly below alone. */
enum entry { ENTRY_MISS, ENTRY_SYNC, ENTRY_REP };
bool watch_miss_fast(uintptr_t addr, const struct watch_site *site, uintptr_t rbp, uintptr_t sp);
void watch_slow(struct watch_frame *f, enum entry entry, const void *vectors);

static inline void tag(const struct plane *p, uintptr_t addr, unsigned bytes, bool write)
{
	uintptr_t at = plane_of(p, addr, bytes);
	uint64_t tags = *(volatile uint64_t *)&race_tls.write_tag;
	if (unlikely(!at || tags == ~0ull)) /* taken back by another thread just now */
		return;
	tags -= write ? 0 : 0x0101010101010101;
	switch (bytes) {
	case 1:
		*(volatile uint8_t *)at = (uint8_t)tags;
		return;
	case 2:
		*(volatile uint16_t *)at = (uint16_t)tags;
		return;
	case 4:
		*(volatile uint32_t *)at = (uint32_t)tags;
		return;
	case 8:
		*(volatile uint64_t *)at = tags;
		return;
	default:
		for (unsigned i = 0; i < bytes; i++)
			((volatile uint8_t *)at)[i] = (uint8_t)tags;
	}
}

/* Within one granule; at: its tag, 0 it has none. */
HOT void tag_at(uintptr_t at, unsigned bytes, bool write)
{
	uint64_t tags = *(volatile uint64_t *)&race_tls.write_tag;
	if (unlikely(!at || tags == ~0ull)) /* taken back by another thread just now */
		return;
	tags -= write ? 0 : 0x0101010101010101;
	if (bytes == 8)
		*(volatile uint64_t *)at = tags;
	else if (bytes == 4)
		*(volatile uint32_t *)at = (uint32_t)tags;
	else if (bytes == 1)
		*(volatile uint8_t *)at = (uint8_t)tags;
	else
		for (unsigned i = 0; i < bytes; i++)
			((volatile uint8_t *)at)[i] = (uint8_t)tags;
}

/* sure: its tag has just been read, so it can be written. */
HOT bool record(struct watch_thread *w, const struct watch_site *site, struct granule *g, uintptr_t addr, unsigned bytes, uint32_t context, bool sure)
{
	struct race_thread *rt = w->thread->race;
	struct race_stream *s = &w->streams[(uintptr_t)site / sizeof *site % STREAMS];
	bool write = site->flags & SITE_WRITE;
	bool ahead = race_stream_step(s, rt, (uintptr_t)site, addr & ~7ul, g);
	race_busy(rt, addr);
	bool recorded = granule_access(rt, g, granule_mask(addr, bytes), write, context, NULL);
	if (likely(recorded)) {
		uintptr_t at = sure ? plane_at(w->plane, addr) : plane_of(w->plane, addr, bytes);
		tag_at(at, bytes, write);
		if (unlikely(ahead && at))
			race_stream_copy(s, rt, g, (uint64_t *)(at & ~7ul));
	}
	race_settled(rt);
	return recorded;
}

/* Nothing is to be acquired first. */
HOT bool may_record(const struct race_thread *rt, uint32_t stack, uint32_t *context)
{
	return likely(!(rt->pending | atomic_load_explicit(&rt->poked, memory_order_relaxed))) && race_context_known(rt, stack, context);
}

/* By granules, as of vectors there are several; or by locks too. What was recorded stays so if the slow half is asked for the rest. */
static COLD bool record_all(struct watch_thread *w, const struct watch_site *site, uintptr_t addr, uint32_t stack)
{
	struct race_thread *rt = w->thread->race;
	bool write = site->flags & SITE_WRITE;
	uint32_t context = 0;
	if (!race_hybrid && !may_record(rt, stack, &context))
		return false;
	for (uintptr_t end = addr + site->size, stop; addr < end; addr = stop) {
		stop = (addr | 7) + 1 < end ? (addr | 7) + 1 : end;
		unsigned bytes = (unsigned)(stop - addr);
		struct granule *g = shadow_granule(addr);
		if (!race_hybrid && (!g || !record(w, site, g, addr, bytes, context, false)))
			return false;
		if (!race_hybrid)
			continue;
		race_busy(rt, addr);
		bool recorded = access_fast_hybrid(w->thread, addr, bytes, write, stack);
		if (recorded)
			tag(w->plane, addr, bytes, write);
		race_settled(rt);
		if (!recorded)
			return false;
	}
	return true;
}

/* budget: 10 ns and 0.5 ns a frame. False: for the slow half. */
__attribute__((used, visibility("hidden"))) bool watch_miss_fast(uintptr_t addr, const struct watch_site *site,
								 uintptr_t rbp, uintptr_t sp)
{
	struct watch_thread *w = watch_tls.self;
	struct granule *g = shadow_granule(addr);
	uint32_t context = 0;
	/* What will be waited for comes while the stack is looked at: the access itself, and its record, to be written. */
	__builtin_prefetch((const void *)addr);
	__asm__("prefetchw (%0)" : : "r"(g));
	if (unlikely(tls.gate != 0 || !w || !g))
		return false;
	uint32_t stack = stack_at(&w->stacks, site->pc, sp, rbp);
	if (unlikely(!stack))
		return false;
	struct race_thread *rt = w->thread->race;
	if (unlikely(rt->set == RACE_NO_SET) && !race_set_known(w->thread))
		return false;
	if (unlikely((addr & 7) + site->size > 8 || race_tls.save[RACE_NO_PLANE] || race_hybrid)) {
		race_tls.save[RACE_NO_PLANE] = 0;
		return record_all(w, site, addr, stack);
	}
	return may_record(rt, stack, &context) && record(w, site, g, addr, site->size, context, true);
}

/* The stack of a watched instruction. */
static uint32_t stack_of(struct watch_thread *w, struct watch_frame *f, uintptr_t pc)
{
	uintptr_t sp = watch_frame_sp(f);
	uint32_t stack = stack_at(&w->stacks, pc, sp, f->rbp);
	if (likely(stack))
		return stack;
	struct step_regs r = { .known = 0x1ffff, .rbp_at = (uintptr_t)&f->rbp, .known_code = true };
	const uint64_t regs[] = { f->rax, f->rdx, f->rcx, f->rbx, f->rsi, f->rdi, f->rbp, sp, f->r8,
				  f->r9,  f->r10, f->r11, f->r12, f->r13, f->r14, f->r15, pc };
	for (unsigned i = 0; i < ARRAY_SIZE(regs); i++)
		r.r[i] = regs[i];
	return stack_at_slow(&w->stacks, &r);
}

__attribute__((used, visibility("hidden"))) void watch_slow(struct watch_frame *f, enum entry entry,
										 const void *vectors)
{
	const struct watch_site *site = (const struct watch_site *)f->site;
	struct thread *t = watch_thread_of_caller();
	struct watch_thread *w = watch_tls.self;
	if (!t || !w || !t->race)
		return;
	gate_shut();
	if (unlikely(race_stopped || watch_gs() != w->plane->gs))
		watch_in_vain();
	uint32_t stack = stack_of(w, f, site->pc);
	bool write = site->flags & SITE_WRITE;
	switch (entry) {
	case ENTRY_MISS:
		race_busy(t->race, f->addr);
		if (access_seen(t, f->addr, site->size, write, stack)) {
			tag(w->plane, f->addr, site->size, write);
		} else if (site->flags & SITE_READS) { /* if it orders, then both ways */
			access_seen(t, f->addr, site->size, false, stack);
			access_seen(t, f->addr, site->size, true, stack);
		}
		race_settled(t->race);
		break;
	case ENTRY_SYNC:
		if (f->addr >= watch_private_lo && f->addr < watch_private_hi)
			break;
		access_sync(t, f->addr, site->size, !(site->flags & SITE_NORETURNVALUE), stack);
		break;
	case ENTRY_REP:
		rep_seen(t, site, f, vectors, stack);
		break;
	}
	gate_open();
}

/*
 * To an unwinder an entry is the frame of a signal that came when the program was about to run the watched instruction: rules for
 * every place of it, so that clean-ups run when a thread is cancelled here, and debuggers see whose code called. The CFA is
 * the program's stack pointer: the stub has moved it by 128 bytes and pushed rdi, rsi and the way back. The program's place stands first
 * in the site, which is in rsi until it is pushed at CFA - 224. The offset is said anew behind each .cfi_restore_state: clang 14's
 * assembler goes on adjusting the one from before it.
 */
#define RA_BY_RSI  ".cfi_escape 0x16, 16, 3, 0x74, 0, 0x06\n"                   /* val_expression: *(rsi + 0) */
#define RA_PUSHED  ".cfi_escape 0x16, 16, 5, 0x08, 224, 0x1c, 0x06, 0x06\n"     /* val_expression: **(CFA - 224) */
#define PUSH(reg)  "push %" reg "; .cfi_adjust_cfa_offset 8\n"
#define KEEP(reg)  PUSH(reg) ".cfi_rel_offset %" reg ", 0\n"
#define POP(reg)   "pop %" reg "; .cfi_adjust_cfa_offset -8\n"
#define BACK(reg)  POP(reg) ".cfi_restore %" reg "\n"
/* clang-format off */
#define PUSH_CALLER KEEP("rax") KEEP("rcx") KEEP("rdx") KEEP("r8") KEEP("r9") KEEP("r10") KEEP("r11") PUSH("rdi") PUSH("rsi") RA_PUSHED
#define POP_CALLER  POP("rsi") RA_BY_RSI POP("rdi") BACK("r11") BACK("r10") BACK("r9") BACK("r8") BACK("rdx") BACK("rcx") BACK("rax")
__asm__(
	".text\n"
	".p2align 4\n"
	".cfi_startproc\n"
	".cfi_signal_frame\n"
	".cfi_def_cfa %rsp, 152\n"
	".cfi_offset %rdi, -136\n"
	".cfi_offset %rsi, -144\n"
	RA_BY_RSI
	".cfi_remember_state\n"
	".hidden watch_entry_miss\n.globl watch_entry_miss\n.type watch_entry_miss, @function\n"
	"watch_entry_miss:\n"
	PUSH_CALLER
	"	mov %rbp, %rdx\n"
	"	lea 9*8+8+16+128(%rsp), %rcx\n"
	"	call watch_miss_fast\n"
	"	test %al, %al\n"
	"	je 1f\n"
	".cfi_remember_state\n"
	POP_CALLER
	"	ret\n"
	".cfi_restore_state\n.cfi_def_cfa_offset 224\n"
	"1:	xor %esi, %esi\n"
	"	jmp watch_to_slow\n"
	".size watch_entry_miss, . - watch_entry_miss\n"

	".cfi_restore_state\n.cfi_remember_state\n.cfi_def_cfa_offset 152\n"
	".hidden watch_entry_sync\n.globl watch_entry_sync\n.type watch_entry_sync, @function\n"
	"watch_entry_sync:\n"
	PUSH_CALLER
	"	mov $1, %esi\n"
	"	jmp watch_to_slow\n"
	".size watch_entry_sync, . - watch_entry_sync\n"

	".cfi_restore_state\n.cfi_def_cfa_offset 152\n"
	".hidden watch_entry_rep\n.globl watch_entry_rep\n.type watch_entry_rep, @function\n"
	"watch_entry_rep:\n"
	PUSH_CALLER
	"	mov $2, %esi\n"
	".size watch_entry_rep, . - watch_entry_rep\n"

	".type watch_to_slow, @function\n"
	"watch_to_slow:\n"
	KEEP("rbx") KEEP("rbp") KEEP("r12") KEEP("r13") KEEP("r14") KEEP("r15")
	"	pushfq\n"
	".cfi_adjust_cfa_offset 8\n"
	"	cld\n"
	"	mov %rsp, %rdi\n"
	"	mov %rsp, %rbx\n"
	".cfi_def_cfa_register %rbx\n"
	"	mov watch_tls@gottpoff(%rip), %rbp\n"
	"	mov %fs:(%rbp), %r12\n" /* stack_top is its first member */
	"	test %r12, %r12\n"
	"	je 1f\n"
	"	movq $0, %fs:(%rbp)\n"
	"	mov %r12, %rsp\n"
	"1:	mov watch_xsave_bytes(%rip), %eax\n"
	"	sub %rax, %rsp\n"
	"	and $-64, %rsp\n"
	"	xor %eax, %eax\n"
	"	mov %rax, 512(%rsp); mov %rax, 520(%rsp); mov %rax, 528(%rsp); mov %rax, 536(%rsp)\n"
	"	mov %rax, 544(%rsp); mov %rax, 552(%rsp); mov %rax, 560(%rsp); mov %rax, 568(%rsp)\n"
	"	mov watch_xsave_mask(%rip), %eax\n"
	"	xor %edx, %edx\n"
	"	xsave64 (%rsp)\n"
	"	mov %rsp, %rdx\n"
	"	call watch_slow\n"
	"	mov watch_xsave_mask(%rip), %eax\n"
	"	xor %edx, %edx\n"
	"	xrstor64 (%rsp)\n"
	"	mov %rbx, %rsp\n"
	".cfi_def_cfa_register %rsp\n"
	"	test %r12, %r12\n"
	"	je 2f\n"
	"	mov %r12, %fs:(%rbp)\n"
	"	cmpq $0, %fs:16(%rbp)\n" /* pending: looked at after it counts as left */
	"	je 2f\n"
	"	call signals_deliver_slow\n"
	"2:	popfq\n"
	".cfi_adjust_cfa_offset -8\n"
	BACK("r15") BACK("r14") BACK("r13") BACK("r12") BACK("rbp") BACK("rbx")
	POP_CALLER
	"	ret\n"
	".size watch_to_slow, . - watch_to_slow\n"
	".cfi_endproc\n");
/* clang-format on */
_Static_assert(offsetof(struct watch_tls, stack_top) == 0, "the entries' assembly");
_Static_assert(offsetof(struct watch_tls, pending) == 16, "the entries' assembly");
_Static_assert(offsetof(struct watch_site, pc) == 0, "the entries' unwind rules");
_Static_assert(sizeof(struct watch_frame) == 19 * 8, "the entries' assembly");
