/*
 * step.h - Unwinding by the .eh_frame rules: no descriptor, no lock, no malloc, no syscall inside known stacks.
 *
 * Understands CFA rules by register + offset and by expression, registers saved at CFA offsets, by expression and in
 * registers, signal frames. Rules once parsed are kept in a process-wide, lock-free cache keyed by pc.
 * A pc outside every FDE is tried as a frame with a frame pointer when rbp looks like one; else the walk ends (cut).
 * source: LSB core 5.0 chapter 10 (.eh_frame, .eh_frame_hdr), DWARF 5 section 6.4, x86-64 psABI figure 3.36.
 */
#ifndef SNARL_CORE_STEP_H
#define SNARL_CORE_STEP_H

#include "base/compiler.h"

/* Registers by DWARF number: 0 rax 1 rdx 2 rcx 3 rbx 4 rsi 5 rdi 6 rbp 7 rsp 8..15 r8..r15 16 return address. */
#define STEP_REGS 17
struct step_regs {
	uintptr_t r[STEP_REGS];
	uint32_t known; /* bit i: r[i] is valid */
	uintptr_t rbp_at; /* a word that holds r[6], for step_frame.hold; 0: none */
	bool known_code;  /* end (cut) at generated code and the like, instead of a guess by system calls */
};

struct step_frame {
	uintptr_t pc;   /* return address, or the exact pc where `exact` */
	uintptr_t slot; /* address of the stack word pc was read from; 0: a register */
	/* Where `slot` lies follows from the pc and stack pointer one frame further in, unless that frame has no fixed
	 * size (alloca, realigned, interrupted by a signal): then these words say it too, to be looked at in this
	 * order. 0: none. */
	uintptr_t hold[2];
	bool exact;
	bool loose; /* where `slot` lies also depends on a register other than rbp, or one that was not saved */
};

enum step_end {
	STEP_BOTTOM, /* the outermost frame was reached */
	STEP_FULL,   /* max frames */
	STEP_CUT,    /* no rule, or memory that cannot be read */
};

/*
 * Walks from `regs` (whose pc and rsp are those of the first frame) outwards; out[0] is regs' own pc.
 * [stack_lo, stack_hi) may be read directly from the stack pointer upwards; anything else is probed first, by one
 * system call a page. 0, 0 when unknown. No syscall otherwise but where a rule is not cached yet, and for code without
 * rules. cost: about 6 ns a frame when its rule is cached.
 */
unsigned step_walk(const struct step_regs *regs, uintptr_t stack_lo, uintptr_t stack_hi, struct step_frame *out,
		   unsigned max, enum step_end *end);

/* Forget cached rules (a module went away). */
void step_flush(void);

/* Reads a word anywhere without ever faulting (process_vm_readv on ourselves). */
bool step_probe(uintptr_t addr, uintptr_t *value);

/* Whether the page of addr can be read at this moment. For memory that stays mapped as long as the caller runs, as its
 * own stack: a seccomp filter may kill for process_vm_readv, while rt_sigprocmask (which this uses) is allowed by every
 * one. */
bool step_readable(uintptr_t addr);

/* The callee-saved registers, rsp and pc of the caller of this macro's function, for step_walk. */
#define STEP_HERE(regs)                                                             \
	do {                                                                        \
		struct step_regs *here_ = (regs);                                   \
		uintptr_t pc_;                                                      \
		__asm__ volatile("movq %%rbx, 24(%1)\n\t"                           \
				 "movq %%rbp, 48(%1)\n\t"                           \
				 "movq %%rsp, 56(%1)\n\t"                           \
				 "movq %%r12, 96(%1)\n\t"                           \
				 "movq %%r13, 104(%1)\n\t"                          \
				 "movq %%r14, 112(%1)\n\t"                          \
				 "movq %%r15, 120(%1)\n\t"                          \
				 "leaq 0(%%rip), %0"                                \
				 : "=&r"(pc_)                                       \
				 : "r"(here_->r)                                    \
				 : "memory");                                       \
		here_->r[16] = pc_;                                                 \
		here_->rbp_at = 0;                                                          \
		here_->known_code = false;                                                  \
		here_->known = 1u << 3 | 1u << 6 | 1u << 7 | 0xfu << 12 | 1u << 16; \
	} while (0)

#endif
