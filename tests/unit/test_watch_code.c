/* test_watch_code.c - What the planner must see in code: jump targets, functions to leave alone, stack slots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "watch/code.h"
#include "watch/live.h"
#include "watch_elf.h"

/*
 * None of these is ever run. Each has its unwind information, as compilers and careful assembly have. Where a function
 * and the place AT() in it are is said by differences that nothing takes for an address, or asking would make it a
 * target.
 */
#define FUNCTION(name, body)                                                                                          \
	__asm__(".text\n.type " #name ", @function\n" #name ":\n.cfi_startproc\n" body "\n.cfi_endproc\n.size " #name \
		", .-" #name "\n"                                                                                     \
		".section .rodata\n.balign 4\n.globl where_" #name "\nwhere_" #name ":\n"                             \
		".long " #name " - . + 0x1000000, " #name "_at - . + 0x1000000\n.text\n");                            \
	extern const int where_##name[2]
#define AT(name) #name "_at:\n"

FUNCTION(plain, "mov (%rdi), %eax\nadd $1, %eax\n" AT(plain) "mov %eax, (%rdi)\nret");
FUNCTION(branches, "test %edi, %edi\nje 1f\nmov %edi, (%rsi)\n" AT(branches) "1: mov %esi, (%rdi)\nret");
FUNCTION(returns, "push %rbx\ncall plain\n" AT(returns) "pop %rbx\nret");
FUNCTION(table,
	 "lea 9f(%rip), %rdx\nmovslq (%rdx,%rdi,4), %rax\nadd %rdx, %rax\njmp *%rax\n1: mov %eax, (%rsi)\nret\n" AT(
	     table) "2: mov %edx, (%rsi)\nret\n.section .rodata\n.balign 4\n9: .long 1b-9b, 2b-9b\n.text");
FUNCTION(labels, "lea 1f(%rip), %rdx\nlea 8f(%rip), %rcx\nmovslq (%rcx,%rdi,4), %rax\nadd %rdx, %rax\njmp *%rax\n"
		 "1: mov %eax, (%rsi)\nret\n2: mov %ecx, (%rsi)\nret\n" AT(
		     labels) "3: mov %edx, (%rsi)\nret\n"
			     ".section .rodata\n.balign 4\n8: .long 0x7fffffff, 2b-1b, 3b-1b\n.text");
FUNCTION(computed, "lea 1f(%rip), %rdx\nlea (%rdx,%rdi,8), %rax\njmp *%rax\n1: mov %eax, (%rsi)\n" AT(
		       computed) "mov %edx, (%rsi)\nret");
FUNCTION(tail, "push %rbx\nmov %rdi, %rbx\nlea 8f(%rip), %rdi\ncall plain\nmov %rbx, %rax\npop %rbx\n" AT(
		   tail) "jmp *%rax\n.section .rodata\n8: .string \"x\"\n.text");
FUNCTION(pointed, "mov %edi, (%rsi)\nmov %edi, 8(%rsi)\n" AT(
		      pointed) "mov %edi, 16(%rsi)\nret\n.data\n.balign 8\n.quad pointed_at\n.text");
FUNCTION(own_data, "mov 1f(%rip), %eax\nmov %eax, (%rdi)\nret\n" AT(own_data) "1: .long 0x90909090");
FUNCTION(uses_gs, AT(uses_gs) "mov %gs:8, %rax\nmov %rax, (%rdi)\nret");
FUNCTION(
    critical,
    "mov %edi, (%rsi)\n1: mov %edi, 8(%rsi)\n2: ret\n.byte 0x0f,0xb9,0x3d\n.long 0x53053053\n" AT(
	critical) "ret\n.section .data.rel.ro,\"aw\"\n.balign 32\n.long 0, 0\n.quad 1b, 2b-1b, critical_at\n.text");
FUNCTION(past_lock, "test %edi, %edi\nje 1f\n" AT(past_lock) "lock\n1: addl $1, (%rsi)\nret");
FUNCTION(keeps_stack,
	 "sub $24, %rsp\n" AT(keeps_stack) "mov %rdi, 8(%rsp)\ncall plain\nmov 8(%rsp), %rax\nadd $24, %rsp\nret");
FUNCTION(gives_stack,
	 "sub $24, %rsp\nlea 8(%rsp), %rdi\ncall plain\n" AT(gives_stack) "mov 8(%rsp), %rax\nadd $24, %rsp\nret");
FUNCTION(keeps_frame, "push %rbp\nmov %rsp, %rbp\nmov %rdi, -8(%rbp)\ncall plain\n" AT(
			  keeps_frame) "mov -8(%rbp), %rax\nleave\nret");
FUNCTION(gives_frame, "push %rbp\nmov %rsp, %rbp\nlea -8(%rbp), %rdi\ncall plain\n" AT(
			  gives_frame) "mov -8(%rbp), %rax\nleave\nret");
FUNCTION(free_rbp, "push %rbp\nmov %rdi, %rbp\n" AT(free_rbp) "mov 8(%rbp), %rax\npop %rbp\nret");
/* An interpreter's: twenty times eight bytes, and one more way in that the one before runs on into. */
FUNCTION(offsets, ".rept 18\nmovzbl (%rsi), %eax\nmov %eax, (%rdi)\njmp *(%rbx,%rax,8)\n.endr\n"
		  "movzbl (%rsi), %eax\n" AT(offsets) "mov %eax, (%rdi)\njmp *(%rbx,%rax,8)\n"
		  ".section .rodata\n.balign 2\n.set n, 0\n.rept 19\n.short n\n.set n, n + 8\n.endr\n.short 18 * 8 + 3\n.text");

/* Written by hand, without unwind information. Long enough together that looking for them is worth it. */
#define BARE(name, body)                                                                                              \
	__asm__(".text\n.balign 16\n" #name ":\n" body "\n"                                                           \
		".section .rodata\n.balign 4\n.globl where_" #name "\nwhere_" #name ":\n"                             \
		".long " #name " - . + 0x1000000, " #name "_at - . + 0x1000000\n.text\n");                            \
	extern const int where_##name[2]

FUNCTION(calls_bare, "push %rbx\ncall bare_called\n" AT(calls_bare) "lea bare_taken(%rip), %rax\nmov %rax, (%rdi)\n"
		     "lea bare_computed(%rip), %rcx\nmov %rcx, 8(%rdi)\nlea bare_trapped(%rip), %rax\nmov %rax, (%rdi)\n"
		     "call bare_ragged\nlea bare_table(%rip), %rcx\nmov 8(%rcx), %rax\npop %rbx\nret");
/* Its table leads to what is not known to be code first, then where an instruction was taken for part of another. The next
 * table, of somebody else, is right behind it. */
FUNCTION(leads_out, "lea 9f(%rip), %rdx\nmovslq (%rdx,%rdi,4), %rax\nadd %rdx, %rax\nlea 8f(%rip), %rcx\n" AT(leads_out)
		    "jmp *%rax\n.section .rodata\n.balign 4\n"
		    "9: .long bare_trapped_at - 9b, bare_called_at - 9b, bare_swallows_at - 9b\n"
		    "8: .long bare_further_at + 1 - 9b, 0x7fffffff\n.text");
__asm__(".text\n.fill 64, 1, 0x90\n");
BARE(bare_called, "mov 8(%rdi), %eax\n" AT(bare_called) "mov %eax, (%rdi)\njmp bare_further\n");
BARE(bare_further, "mov 8(%rdi), %eax\n" AT(bare_further) "mov %eax, (%rdi)\nret\n");
BARE(bare_taken, "mov %rdi, 16(%rsi)\nje 1f\nadd %rsi, 24(%rdi)\n" AT(bare_taken) "1: mov %rsi, 32(%rdi)\nret\n");
BARE(bare_unknown, "mov %rdi, 16(%rsi)\n" AT(bare_unknown) "mov %rsi, 0x200(%rdi)\nret\n");
BARE(bare_swallows, "mov %rdi, 16(%rsi)\n.byte 0x05\n" AT(bare_swallows) /* add $..., %eax */
     "je 1f\nnop\nnop\nmov %edi, 0x200(%rsi)\n1: mov %edx, 0x300(%rsi)\nret\n");
BARE(bare_computed, "lea 1f(%rip), %rdx\nlea (%rdx,%rdi,8), %rax\njmp *%rax\n1: mov %eax, 0x200(%rsi)\n" AT(bare_computed)
     "mov %edx, 0x300(%rsi)\nret\n");
BARE(bare_trapped, "mov 8(%rdi), %rax\n" AT(bare_trapped) "mov %rax, 0x300(%rdi)\nret\nint3\n");
BARE(bare_ragged, "mov 8(%rdi), %eax\nmov %eax, 0x300(%rdi)\nret\n" AT(bare_ragged)
     ".byte 0x89,0x87,0,1,0,0,0x89,0x87,0,1,0,0,0xc3,6,7\n");
BARE(bare_table, AT(bare_table) ".byte 0x89,0x87,0,1,0,0,0x89,0x87,0,1,0,0,0x89,0x87,0,1,0,0,0x90,0x90,0x90,0x90,0xc3\n");
__asm__(".text\n.fill 512, 1, 0x90\n");

static struct elf_map self;
static struct code code;
static struct plan plan;

/* In the copy that elf_open made; which: 0 the function, 1 the place in it. */
static uint32_t place(const int *where, unsigned which)
{
	extern const char __ehdr_start[];
	uintptr_t at = (uintptr_t)&where[which] + (uintptr_t)(intptr_t)(where[which] - 0x1000000);
	return (uint32_t)(at - (uintptr_t)__ehdr_start + (uintptr_t)self.lo - code.base);
}

static const struct code_function *function(const int *where)
{
	const struct code_function *f = code_function_at(&code, place(where, 0));
	assert_non_null(f);
	assert_int_equal(f->lo, place(where, 0));
	return f;
}

static bool target(const int *where, unsigned which)
{
	return bit_get(code.target, place(where, which));
}

static bool moved(const int *where, unsigned which)
{
	return plan_moved_from(&plan, code.base + place(where, which)) != NULL;
}

static void test_targets(void **state)
{
	(void)state;
	assert_true(target(where_plain, 0) && !target(where_plain, 1) && moved(where_plain, 1));
	assert_true(target(where_branches, 1));
	assert_true(target(where_returns, 1));
	assert_true(target(where_table, 1) && (function(where_table)->is & FN_TABLE) &&
		    !(function(where_table)->is & FN_JUMPS));
	assert_true(target(where_labels, 1) && !(function(where_labels)->is & FN_JUMPS));
	assert_true(function(where_computed)->is & FN_JUMPS);
	assert_false(function(where_tail)->is & (FN_JUMPS | FN_COMPUTED));
	assert_true(target(where_pointed, 1));
	assert_true(target(where_offsets, 1));
	assert_true(target(where_bare_called, 1) && target(where_bare_trapped, 1));
	assert_true(target(where_bare_swallows, 1) && !bit_get(code.start, place(where_bare_swallows, 1)));
	assert_true(bit_get(code.target, place(where_bare_swallows, 1) + 10)); /* by the branch that begins there */
	assert_true(code_function_at(&code, place(where_bare_further, 1)) && !target(where_bare_further, 1) &&
		    !bit_get(code.target, place(where_bare_further, 1) + 1));
	for (uint32_t n = 0; n < 19; n++)
		assert_non_null(plan_moved_from(&plan, code.base + place(where_offsets, 0) + 8 * n));
}

static void test_alone(void **state)
{
	(void)state;
	assert_int_equal(function(where_plain)->alone, PLAN_WATCHED);
	assert_int_equal(function(where_own_data)->alone, PLAN_DATA_IN_TEXT);
	assert_int_equal(function(where_uses_gs)->alone, PLAN_USES_GS);
	assert_int_equal(function(where_critical)->alone, PLAN_RSEQ);
	assert_true(plan.uses_gs);
	assert_false(moved(where_own_data, 0) || moved(where_uses_gs, 1) || moved(where_critical, 0));
	assert_false(moved(where_past_lock, 1));
}

static void test_stack(void **state)
{
	(void)state;
	assert_false(function(where_keeps_stack)->is & FN_STACK_TAKEN);
	assert_true(function(where_gives_stack)->is & FN_STACK_TAKEN);
	assert_int_equal(function(where_keeps_frame)->is & (FN_STACK_TAKEN | FN_FRAME), FN_FRAME);
	assert_int_equal(function(where_gives_frame)->is & (FN_STACK_TAKEN | FN_FRAME), FN_STACK_TAKEN | FN_FRAME);
	assert_false(function(where_free_rbp)->is & FN_FRAME);
	assert_true(moved(where_gives_stack, 1) && moved(where_gives_frame, 1) && moved(where_free_rbp, 1));
	assert_false(moved(where_keeps_stack, 1) || moved(where_keeps_frame, 1));
}

/* Hand-written code is found by what leads there; data between it is left as it is. */
static void test_bare(void **state)
{
	(void)state;
	static const int *const found[] = { where_bare_called, where_bare_further, where_bare_taken, where_bare_unknown,
					    where_bare_computed };
	for (unsigned n = 0; n < ARRAY_SIZE(found); n++) {
		const struct code_function *f = code_function_at(&code, place(found[n], 0));
		assert_true(f && (f->is & FN_BARE) && !f->alone);
		assert_true(moved(found[n], 1));
	}
	const struct code_function *jumps = code_function_at(&code, place(where_bare_computed, 0));
	assert_true((jumps->is & FN_JUMPS) && (jumps->is & FN_CLEAN));
	assert_false(moved(where_bare_trapped, 0) || moved(where_bare_trapped, 1));
	assert_true(moved(where_bare_ragged, 0));
	assert_false(moved(where_bare_ragged, 1));
	assert_false(moved(where_bare_table, 0));
	/* Whoever writes by hand may hand over flags. */
	struct live live = { .before = NULL };
	struct code_function *f = code_function_at(&code, place(where_bare_further, 0));
	assert_int_equal(live_function(&live, &code, f), 0);
	assert_int_equal(live.before[f->count - 1] & FLAGS_ALL, FLAGS_ALL);
	live_close(&live);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_bare), cmocka_unit_test(test_targets), cmocka_unit_test(test_alone),
					    cmocka_unit_test(test_stack) };
	const struct decoder *decoder;
	const struct emit_abi abi = { -64, -128, 1, 2, 3, true, 0 };
	const char *why = decoder_open(&decoder);
	if (why) {
		printf("skip test_watch_code: %s\n", why);
		return 77;
	}
	if (!elf_open(&self, "/proc/self/exe") || code_open(&code, &self.view, decoder) < 0 ||
	    plan_module(&self.view, &abi, decoder, &plan) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
