/*
 * watch_run.h - Runs made-up code on a stack and registers of its own, as it is or patched by a plan.
 *
 * One region holds text, arena, data and stack; as far behind it lies its plane. The entries of the emitted code log
 * what they are told.
 */
#ifndef TESTS_UNIT_WATCH_RUN_H
#define TESTS_UNIT_WATCH_RUN_H

#include <asm/prctl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "watch/decode_zydis.h"
#include "watch/plan.h"
#include "watch/vector.h"
#include "watch_fde.h"

#include <cpuid.h>

#define TEXT_BYTES   0x4000u
#define ARENA_BYTES  0x80000u
#define DATA_BYTES   0x4000u
#define UNWIND_BYTES 0x1000u
#define PLANE_AWAY   0x1000000u
#define WRITE_TAG    0x2b
#define LOG_MAX      4096u
#define XSAVE_BYTES  4096u /* x87, SSE, AVX, AVX-512 */
#define XSAVE_MASK   0xe7u

struct touch {
	uintptr_t pc, addr;
	uint8_t size;
	bool write;
};

static struct {
	uint8_t *text, *arena, *data, *unwind, *plane; /* the stack is the upper half of data */
	size_t bytes;
	struct touch log[LOG_MAX];
	unsigned nr_log;
} lab;

/* Order as in insn masks; then flags. */
struct run_regs {
	uint64_t r[16], flags;
};
struct run_regs run_in, run_out;
uint64_t run_own_sp, run_goal;
_Alignas(64) uint8_t run_fx_in[XSAVE_BYTES], run_fx_out[XSAVE_BYTES], run_fx_entry[XSAVE_BYTES];
uint64_t run_mask;
static __thread struct {
	uint64_t write_tag, save[8];
} run_tls __attribute__((tls_model("initial-exec")));

void run_enter(void);
void run_exit(void);
void run_miss(void);
typedef uint64_t __attribute__((aligned(1))) run_word; /* made-up code leaves %rsp anywhere */
void run_seen(const struct watch_site *site, uintptr_t addr, const run_word *frame);
__asm__(
    ".text\n.globl run_enter\nrun_enter:\n"
    "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "mov %rsp, run_own_sp(%rip)\n"
    "mov run_mask(%rip), %eax; xor %edx, %edx; xrstor run_fx_in(%rip); lea run_in(%rip), %rax\n"
    "push 128(%rax); popf\n"
    "mov 8(%rax), %rcx; mov 16(%rax), %rdx; mov 24(%rax), %rbx; mov 32(%rax), %rsp; mov 40(%rax), %rbp\n"
    "mov 48(%rax), %rsi; mov 56(%rax), %rdi; mov 64(%rax), %r8; mov 72(%rax), %r9; mov 80(%rax), %r10\n"
    "mov 88(%rax), %r11; mov 96(%rax), %r12; mov 104(%rax), %r13; mov 112(%rax), %r14; mov 120(%rax), %r15\n"
    "mov (%rax), %rax\n"
    "jmp *run_goal(%rip)\n"
    ".globl run_exit\nrun_exit:\n"
    "mov %rax, run_out(%rip)\n"
    "mov %rsp, run_out+32(%rip)\n"
    "mov run_own_sp(%rip), %rsp\n"
    "pushf; push $0x202; popf; cld\n"
    "lea run_out(%rip), %rax\n"
    "mov %rcx, 8(%rax); mov %rdx, 16(%rax); mov %rbx, 24(%rax); mov %rbp, 40(%rax)\n"
    "mov %rsi, 48(%rax); mov %rdi, 56(%rax); mov %r8, 64(%rax); mov %r9, 72(%rax); mov %r10, 80(%rax)\n"
    "mov %r11, 88(%rax); mov %r12, 96(%rax); mov %r13, 104(%rax); mov %r14, 112(%rax); mov %r15, 120(%rax)\n"
    "pop 128(%rax)\n"
    "mov run_mask(%rip), %eax; xor %edx, %edx; xsave run_fx_out(%rip); xrstor run_fx_in(%rip)\n"
    "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "ret\n"
    /* The entry: keeps all registers but flags, sees rdi (operand) and rsi (site); the pushed ones are at 16 and 24. */
    ".globl run_miss\nrun_miss:\n"
    "push %rbp; mov %rsp, %rbp\n"
    "push %rax; push %rcx; push %rdx; push %rbx; push %rsi; push %rdi; push %r8; push %r9; push %r10; push %r11\n"
    "push %r12; push %r13; push %r14; push %r15\n"
    "and $-16, %rsp; cld\n"
    "mov run_mask(%rip), %eax; xor %edx, %edx; xsave run_fx_entry(%rip)\n"
    "xchg %rsi, %rdi\n"
    "mov %rbp, %rdx\n"
    "call run_seen\n"
    "mov run_mask(%rip), %eax; xor %edx, %edx; xrstor run_fx_entry(%rip); lea -112(%rbp), %rsp\n"
    "pop %r15; pop %r14; pop %r13; pop %r12\n"
    "pop %r11; pop %r10; pop %r9; pop %r8; pop %rdi; pop %rsi; pop %rbx; pop %rdx; pop %rcx; pop %rax\n"
    "xor $0xffffffffffffffff, %rbp; cmp %rsp, %rbp; pop %rbp\n" /* flags are not kept */
    "ret\n");

static void log_touch(uintptr_t pc, uintptr_t addr, unsigned size, bool write)
{
	lab.log[lab.nr_log++ % LOG_MAX] = (struct touch){ pc, addr, (uint8_t)size, write };
}

/* source: Intel SDM volume 2, BT */
static uintptr_t bit_address(uintptr_t operand, uint64_t reg, unsigned width)
{
	int64_t bit = width == 2 ? (int16_t)reg : width == 4 ? (int32_t)reg : (int64_t)reg;
	int64_t bits = 8 * (int64_t)width, words = bit >= 0 ? bit / bits : -((bits - 1 - bit) / bits);
	return operand + (uintptr_t)(words * (int64_t)width);
}

void run_seen(const struct watch_site *site, uintptr_t addr, const run_word *frame)
{
	/* frame: rbp, return address, then what the stub pushed: rsi, rdi; below it as run_miss pushes them. */
	static struct vector_part parts[VECTOR_PARTS];
	bool write = (site->flags & SITE_WRITE) != 0;
	if (site->flags & SITE_VECTOR) {
		unsigned n = vector_parts(site, addr, run_fx_entry, parts);
		for (unsigned i = 0; i < n; i++)
			log_touch(site->pc, parts[i].addr, parts[i].bytes, write);
		return;
	}
	if (!(site->flags & SITE_REP)) {
		log_touch(site->pc, addr, site->size, write);
		return;
	}
	unsigned what = SITE_STRING_WHAT(site->op), width = SITE_STRING_WIDTH(site->op);
	if (what == STRING_BITS) {
		uint64_t sp = (uintptr_t)(frame + 4) + 128;
		const uint64_t regs[16] = { frame[-1], frame[-2], frame[-3],  frame[-4],  sp,         frame[0],
					    frame[2],  frame[3],  frame[-7],  frame[-8],  frame[-9],  frame[-10],
					    frame[-11], frame[-12], frame[-13], frame[-14] };
		log_touch(site->pc, bit_address(addr, regs[SITE_BITS_REG(site->op)], width), width, write);
		return;
	}
	uint64_t rsi = frame[2], rdi = frame[3], n = SITE_STRING_REPEAT(site->op) ? frame[-2] : 1;
	if (what == STRING_MOVS || what == STRING_LODS || what == STRING_CMPS)
		log_touch(site->pc, rsi, (unsigned)(n * width), false);
	if (what != STRING_LODS)
		log_touch(site->pc, rdi, (unsigned)(n * width), what == STRING_MOVS || what == STRING_STOS);
}

/* Where xsave puts what; false: this processor has none. */
static bool lab_vectors(void)
{
	unsigned a, b, c, d, lo, hi;
	__cpuid(1, a, b, c, d);
	if (!(c >> 27 & 1))
		return false;
	__asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	run_mask = lo & XSAVE_MASK;
	for (unsigned i = 2; i < 8; i++)
		if (run_mask >> i & 1) {
			__cpuid_count(13, i, a, b, c, d);
			vector_component(i, b);
			/* Small numbers: indices and masks of gathers and scatters. */
			for (unsigned k = 0; k < a && b + a <= XSAVE_BYTES; k++)
				run_fx_in[b + k] = (uint8_t)(i == 5 ? k * 77 + 1 : k % 4 == 0 ? k * 5 % 64 : 0);
		}
	__asm__ volatile("fninit; fxsave %0" : "=m"(run_fx_in[0])::"memory");
	for (unsigned i = 0; i < 256; i++) {
		unsigned reg = i / 16;
		run_fx_in[160 + i] = (uint8_t)(reg % 4 == 3 ? (i % 4 == 3 ? i * 16 : 0) /* signs here and there */
					       : reg % 4 == 2 ? (i % 16 < 8 ? i * 7 : 0)
							      : (i % 4 == 0 ? i * 5 % 64 : 0));
	}
	memcpy(run_fx_in + 512, &run_mask, 8); /* all of it is in use */
	return true;
}

/* low: below 4 GB, where addresses of 32 bits reach. */
static void lab_open(bool low)
{
	static const uintptr_t places[2] = { 0x200000000000, 0x40000000 }; /* a seed means one block */
	if (lab.text == (uint8_t *)places[low])
		return;
	if (lab.text)
		munmap(lab.text, 2 * PLANE_AWAY);
	lab.bytes = TEXT_BYTES + ARENA_BYTES + DATA_BYTES + UNWIND_BYTES;
	lab.text = mmap((void *)places[low], 2 * PLANE_AWAY, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if (lab.text == MAP_FAILED || mprotect(lab.text, TEXT_BYTES + ARENA_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC))
		abort();
	lab.arena = lab.text + TEXT_BYTES;
	lab.data = lab.arena + ARENA_BYTES;
	lab.unwind = lab.data + DATA_BYTES;
	lab.plane = lab.text + PLANE_AWAY;
	syscall(SYS_arch_prctl, ARCH_SET_GS, (unsigned long)PLANE_AWAY);
	memset(&run_tls.write_tag, WRITE_TAG, 8);
}

static inline uintptr_t fs_base(void)
{
	uintptr_t v;
	__asm__("mov %%fs:0, %0" : "=r"(v));
	return v;
}

static struct emit_abi lab_abi(bool direct)
{
	return (struct emit_abi){ .fs_write_tag = (int32_t)((uintptr_t)&run_tls.write_tag - fs_base()),
				  .fs_save = (int32_t)((uintptr_t)run_tls.save - fs_base()),
				  .miss = (uintptr_t)run_miss,
				  .sync = (uintptr_t)run_miss,
				  .rep = (uintptr_t)run_miss,
				  .direct = direct,
				  .shift = 12 };
}

static void run_at(const void *code)
{
	run_goal = (uintptr_t)code;
	run_enter();
}

#endif
