/*
 * callers.c - Callers that know what their callee leaves alone (-fipa-ra; hand-written code): what they keep in registers that any call
 * may change by the ABI is there afterwards.
 */
#include "start.h"

static uint64_t memory[64];

/* Each uses %rax and the pointer in %rdi, nothing else, and is all a window has. */
__asm__(".text\n"
	".macro leaf name:req\n.type \\name, @function\n\\name:\n	.cfi_startproc\n.endm\n"
	".macro end name:req\n	ret\n	.cfi_endproc\n.size \\name, . - \\name\n.endm\n"
	"leaf leaf_load\n	mov (%rdi), %rax\n	add 8(%rdi), %rax\n	end leaf_load\n"
	"leaf leaf_store\n	mov %rax, (%rdi)\n	movl %eax, 12(%rdi)\n	movb %al, 17(%rdi)\n	end leaf_store\n"
	"leaf leaf_change\n	add %rax, (%rdi)\n	incl 8(%rdi)\n	end leaf_change\n"
	"leaf leaf_wide\n	movdqu %xmm15, 32(%rdi)\n	mov 40(%rdi), %rax\n	end leaf_wide\n"
	"leaf leaf_locked\n	lock xadd %rax, 64(%rdi)\n	lock incl 72(%rdi)\n	end leaf_locked\n"
	"leaf leaf_compare\n	cmpq $5, 16(%rdi)\n	jne 1f\n	mov (%rdi), %rax\n1:	movzbl 3(%rdi), %eax\n	end leaf_compare\n");
void leaf_load(void), leaf_store(void), leaf_change(void), leaf_wide(void), leaf_locked(void), leaf_compare(void);

/* How many of the registers that it did not give away came back changed. */
long keeps_all(void (*leaf)(void), void *p);
__asm__(".type keeps_all, @function\nkeeps_all:\n	.cfi_startproc\n"
	"	push %rbx\n	.cfi_def_cfa_offset 16\n	.cfi_offset %rbx, -16\n"
	"	mov %rdi, %rbx\n	mov %rsi, %rdi\n"
	"	mov $0x1111, %ecx\n	mov $0x2222, %edx\n	mov $0x3333, %esi\n	mov $0x4444, %r8d\n"
	"	mov $0x5555, %r9d\n	mov $0x6666, %r10d\n	mov $0x7777, %r11d\n	mov $0x8888, %eax\n"
	"	movq %rcx, %xmm0\n	movq %rdx, %xmm1\n	movq %r8, %xmm7\n	movq %r9, %xmm8\n	movq %r10, %xmm15\n"
	"	call *%rbx\n"
	"	xor %ebx, %ebx\n"
	".macro same reg:req, value:req\n	cmp $\\value, \\reg\n	je 1f\n	inc %ebx\n1:\n.endm\n"
	"	same %rcx, 0x1111\n	same %rdx, 0x2222\n	same %rsi, 0x3333\n	same %r8, 0x4444\n"
	"	same %r9, 0x5555\n	same %r10, 0x6666\n	same %r11, 0x7777\n"
	"	movq %xmm0, %rax\n	same %rax, 0x1111\n	movq %xmm1, %rax\n	same %rax, 0x2222\n"
	"	movq %xmm7, %rax\n	same %rax, 0x4444\n	movq %xmm8, %rax\n	same %rax, 0x5555\n	movq %xmm15, %rax\n	same %rax, 0x6666\n"
	"	mov %rbx, %rax\n"
	"	pop %rbx\n	.cfi_def_cfa_offset 8\n"
	"	ret\n	.cfi_endproc\n.size keeps_all, . - keeps_all\n");

/* What the compiler makes of it. */
__attribute__((noinline)) static uint64_t small(uint64_t *p) { return p[3]++ + p[4]; }

#ifndef __clang__
__attribute__((optimize("O2", "ipa-ra")))
#endif
__attribute__((noinline)) static uint64_t keeps(uint64_t *p, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	uint64_t sum = 0;
	for (int i = 0; i < 1000; i++) {
		sum += small(p) * a + (b ^ c) - d;
		a += d;
		b += small(p) + a;
		c ^= b;
	}
	return sum + a + b + c + d;
}

static void *run(void *arg)
{
	static const struct {
		const char *name;
		void (*f)(void);
	} leaves[] = { { "load", leaf_load }, { "store", leaf_store }, { "change", leaf_change },
		       { "wide", leaf_wide }, { "locked", leaf_locked }, { "compare", leaf_compare } };
	memset(memory, 0, sizeof memory);
	for (unsigned i = 0; i < sizeof leaves / sizeof leaves[0]; i++) {
		long changed = 0;
		/* The first ones miss, the later ones hit, and after each lock they miss again. */
		for (int k = 0; k < 100; k++) {
			changed += keeps_all(leaves[i].f, memory);
			if (k % 10 == 9)
				free(malloc(10)), __atomic_fetch_add(&memory[50], 1, __ATOMIC_SEQ_CST);
		}
		printf("%s: %ld changed\n", leaves[i].name, changed);
	}
	printf("%016lx\n", keeps(memory, 1, 2, 3, 4));
	return arg;
}

int main(void)
{
	start_engine();
	run(NULL);
	finish(start(run));
	return 0;
}
