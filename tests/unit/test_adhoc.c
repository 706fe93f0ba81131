/* test_adhoc.c - What looks like a flag and what does not, by its code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "watch/adhoc.h"

#define CODE(...) (const uint8_t[]){ __VA_ARGS__, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc }
#define LOAD_EAX  0x8b, 0x05, 0, 1, 0, 0       /* mov 0x100(%rip),%eax */
#define LOAD_RAX  0x48, 0x8b, 0x05, 0, 1, 0, 0 /* mov 0x100(%rip),%rax */
#define LOAD_BY_RAX 0x8b, 0x00                 /* mov (%rax),%eax */
#define STORE_EAX 0x89, 0x05, 0, 1, 0, 0       /* mov %eax,0x100(%rip) */
#define TEST_EAX  0x85, 0xc0
#define JE        0x74, 0xf0
#define RET       0xc3

static const struct decoder *d;

static bool decides(const uint8_t *code) { return adhoc_decides(d, &(struct adhoc_code){ code, 26 }, 1); }
static bool decides_outside(const uint8_t *code, const uint8_t *caller)
{
	return adhoc_decides(d, (struct adhoc_code[]){ { code, 26 }, { caller, 22 } }, 2);
}
static bool stores(const uint8_t *code) { return adhoc_stores(d, code, 24); }

static void test_decides(void **state)
{
	(void)state;
	assert_true(decides(CODE(LOAD_EAX, TEST_EAX, JE)));
	assert_true(decides(CODE(0x83, 0x3d, 0, 1, 0, 0, 0, JE)));                         /* cmpl $0,x ; je */
	assert_true(decides(CODE(0x0f, 0xb6, 0x05, 0, 1, 0, 0, 0x84, 0xc0, JE)));          /* movzbl x,%eax ; test %al,%al ; je */
	assert_true(decides(CODE(LOAD_EAX, 0x89, 0xc2, 0x83, 0xfa, 0x05, JE)));            /* ... mov %eax,%edx ; cmp $5,%edx ; je */
	assert_true(decides(CODE(LOAD_EAX, 0x83, 0xe0, 0x01, TEST_EAX, JE)));              /* ... and $1,%eax ; test ; je */
	assert_true(decides(CODE(LOAD_EAX, 0x31, 0xd2, TEST_EAX, JE)));                    /* something else in between */
	assert_true(decides(CODE(LOAD_RAX, 0x8b, 0x00, RET)));                             /* mov x,%rax ; mov (%rax),%eax */
	assert_true(decides(CODE(LOAD_EAX, TEST_EAX, 0x0f, 0x95, 0xc0, 0x38, 0x07, JE))); /* ... test ; setne %al ; cmp %al,(%rdi) ; je */
	assert_false(decides(CODE(LOAD_EAX, TEST_EAX, 0x0f, 0x95, 0xc0, RET)));           /* ... handed on */
	assert_false(decides(CODE(LOAD_EAX, TEST_EAX, 0x0f, 0x95, 0x07, JE)));            /* ... stored: setne (%rdi) */
	/* By way of the stack: mov %eax,-4(%rbp) ; mov -4(%rbp),%edx ; test %edx,%edx ; je */
	assert_true(decides(CODE(LOAD_EAX, 0x89, 0x45, 0xfc, 0x8b, 0x55, 0xfc, 0x85, 0xd2, JE)));
	assert_true(decides(CODE(LOAD_EAX, 0x89, 0x45, 0xfc, 0x31, 0xc0, 0x3b, 0x55, 0xfc, JE)));  /* ... cmp -4(%rbp),%edx ; je */
	assert_true(decides(CODE(LOAD_EAX, 0xeb, 0x01, 0x06, TEST_EAX, JE)));                      /* jmp over something */
	assert_false(decides(CODE(LOAD_EAX, 0xeb, 0x7f, TEST_EAX, JE)));                           /* too far */
	assert_false(decides(CODE(LOAD_EAX, 0xeb, 0xf0, TEST_EAX, JE)));                           /* back */
	assert_false(decides(CODE(LOAD_EAX, 0x89, 0x45, 0xfc, 0x31, 0xc0, 0x3b, 0x55, 0xf8, JE))); /* another place */
	assert_false(decides(CODE(LOAD_EAX, 0x89, 0x03, 0x31, 0xc0, 0x3b, 0x13, JE)));             /* elsewhere than on the stack */
	assert_false(decides(CODE(LOAD_EAX, RET)));
	/* clang's std::atomic::load, unoptimised: jmp over the same load for another order ; ret ... test ; je */
	assert_true(decides_outside(CODE(LOAD_BY_RAX, 0xeb, 2, LOAD_BY_RAX, RET), CODE(TEST_EAX, JE)));
	assert_true(decides_outside(CODE(LOAD_BY_RAX, 0xeb, 2, LOAD_BY_RAX, 0x5d, RET), CODE(0xa8, 0x01, JE))); /* pop %rbp ; ret ... test $1,%al */
	assert_false(decides_outside(CODE(LOAD_BY_RAX, 0xeb, 2, 0x89, 0xc2, RET), CODE(TEST_EAX, JE)));         /* over something else */
	assert_false(decides_outside(CODE(LOAD_BY_RAX, RET), CODE(TEST_EAX, JE)));                              /* just a getter */
	assert_false(decides_outside(CODE(LOAD_BY_RAX, 0xeb, 2, LOAD_BY_RAX, RET), CODE(0x85, 0xd2, JE)));      /* test %edx,%edx */
	assert_false(decides_outside(CODE(0x8b, 0x10, 0xeb, 2, 0x8b, 0x10, RET), CODE(TEST_EAX, JE)));          /* loaded into %edx */
	assert_false(decides_outside(CODE(LOAD_BY_RAX, 0xeb, 2, LOAD_BY_RAX, 0x31, 0xc0, RET), CODE(TEST_EAX, JE)));
	/* ... by way of a pointer: mov %eax,(%rbx) ; jmp ; mov -4(%rbp),%eax ; ret */
	assert_true(decides_outside(CODE(LOAD_BY_RAX, 0x89, 0x03, 0xeb, 2, LOAD_BY_RAX, 0x8b, 0x45, 0xfc, RET), CODE(TEST_EAX, JE)));
	assert_false(decides_outside(CODE(LOAD_BY_RAX, 0x89, 0x03, 0x8b, 0x45, 0xfc, RET), CODE(TEST_EAX, JE)));
	assert_false(decides_outside(CODE(LOAD_BY_RAX, 0x89, 0x03, 0xeb, 2, LOAD_BY_RAX, 0x8b, 0x45, 0xfc, TEST_EAX, JE), CODE(TEST_EAX, JE)));
	assert_false(decides_outside(CODE(LOAD_BY_RAX, 0x89, 0x03, 0x31, 0xc0, 0x8b, 0x45, 0xfc, RET), CODE(TEST_EAX, JE)));
	assert_false(decides(CODE(LOAD_EAX, 0x83, 0xc0, 0x01, STORE_EAX, RET)));           /* x++ */
	assert_false(decides(CODE(LOAD_EAX, 0x31, 0xc0, TEST_EAX, JE)));                   /* overwritten before it is tested */
	assert_false(decides(CODE(LOAD_EAX, 0xe8, 0, 0, 0, 0, TEST_EAX, JE)));             /* a call in between */
	assert_false(decides(CODE(LOAD_EAX, TEST_EAX, 0x39, 0xca, JE)));                   /* other flags by then */
	assert_false(decides(CODE(0x83, 0x05, 0, 1, 0, 0, 1, JE)));                        /* addl $1,x ; je */
	assert_false(decides(CODE(STORE_EAX, TEST_EAX, JE)));
	assert_false(decides(CODE(0x48, 0x8d, 0x05, 0, 1, 0, 0, TEST_EAX, JE)));           /* lea */
	assert_false(adhoc_decides(d, &(struct adhoc_code){ CODE(LOAD_EAX, TEST_EAX, JE), 7 }, 1));                   /* the code ends */
	assert_false(adhoc_decides(d, &(struct adhoc_code){ CODE(0x06), 1 }, 1));
}

static void test_stores(void **state)
{
	(void)state;
	assert_true(stores(CODE(STORE_EAX)));
	assert_true(stores(CODE(0xc7, 0x05, 0, 1, 0, 0, 1, 0, 0, 0))); /* movl $1,x */
	assert_false(stores(CODE(LOAD_EAX)));
	assert_false(stores(CODE(0x83, 0x05, 0, 1, 0, 0, 1)));         /* addl $1,x */
	assert_false(stores(CODE(0xf0, 0x83, 0x05, 0, 1, 0, 0, 1)));   /* lock addl */
	assert_false(stores(CODE(0x87, 0x05, 0, 1, 0, 0)));            /* xchg */
}

static int start(void **state)
{
	(void)state;
	return decoder_open(&d) ? 1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_decides), cmocka_unit_test(test_stores) };
	return cmocka_run_group_tests(tests, start, NULL);
}
