/*
 * test_heap.c - Blocks by address: at every edge by hand, then random blocks in a made-up address space against a plain list.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/heap.h"

static void expect(uintptr_t addr, uintptr_t start, size_t bytes, uint32_t stack, uint32_t thread)
{
	struct heap_block b;
	assert_true(heap_find(addr, &b));
	assert_int_equal(b.addr, start);
	assert_int_equal(b.bytes, bytes);
	assert_int_equal(b.stack, stack);
	assert_int_equal(b.thread, thread);
}

static void expect_none(uintptr_t addr)
{
	struct heap_block b;
	assert_false(heap_find(addr, &b));
}

static void one(uintptr_t start, size_t bytes)
{
	heap_fresh(start, bytes, 7, 3);
	assert_int_equal(heap_bytes(start), bytes);
	expect(start, start, bytes, 7, 3);
	expect(start + bytes - 1, start, bytes, 7, 3);
	expect(start + bytes / 2, start, bytes, 7, 3);
	expect_none(start - 1);
	expect_none(start + bytes);
	assert_int_equal(heap_giver(start), 0);
	heap_gone(start, 4);
	assert_int_equal(heap_bytes(start), 0);
	assert_int_equal(heap_giver(start), 4);
	expect_none(start);
	expect_none(start + bytes - 1);
	expect_none(start + bytes / 2);
}

static void test_edges(void **state)
{
	(void)state;
	static const size_t sizes[] = { 1,	  15,	   16,	       17,	  65535,   65536, 65537, 1 << 20, (1 << 20) - 2, (1 << 20) - 1,
					1 << 26, (1 << 26) + 1, 1ul << 30, 1ul << 39 };
	static const uintptr_t starts[] = { 0x10000, 0x7f0000000000, 0x7f000000fff0, 0x7f0003fff010, 0x3fffff0 };
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
		for (unsigned j = 0; j < ARRAY_SIZE(starts); j++)
			if (sizes[i] < HEAP_LONG || starts[j] != 0x3fffff0)
				one(starts[j], sizes[i]);
	expect_none(0);
	expect_none(UINTPTR_MAX);
	expect_none(1ul << 47);
	heap_fresh(1ul << 47, 8, 1, 1);
	heap_gone(1ul << 47, 1);
	assert_int_equal(heap_bytes(1ul << 47), 0);
	heap_fresh(0x20000, 0, 1, 1);
	expect_none(0x20000);
	heap_fresh(0x20000, 32, HEAP_MAX_STACK + 1, HEAP_MAX_THREAD + 1);
	expect(0x20008, 0x20000, 32, 0, 0);
	heap_fresh(0x20000, 32, HEAP_MAX_STACK, HEAP_MAX_THREAD);
	expect(0x20008, 0x20000, 32, HEAP_MAX_STACK, HEAP_MAX_THREAD);
	heap_gone(0x20000, 1);
}

#define BLOCKS 300
static struct heap_block list[BLOCKS];

/* One in eight reaches over 64 KiB, one in sixty-four over a megabyte or a region. */
static size_t some_size(void)
{
	int r = rand() % 64;
	return r == 0 ? (size_t)rand() % (80u << 20) + 1 : r < 8 ? (size_t)rand() % 300000 + 1 : (size_t)rand() % 600 + 1;
}

static bool is_free(uintptr_t lo, uintptr_t hi)
{
	for (unsigned i = 0; i < BLOCKS; i++)
		if (list[i].bytes && lo < list[i].addr + list[i].bytes && list[i].addr < hi)
			return false;
	return true;
}

static void test_random(void **state)
{
	(void)state;
	const uintptr_t base = 0x550000000000;
	for (unsigned round = 0; round < 20000; round++) {
		struct heap_block *b = &list[rand() % BLOCKS];
		if (b->bytes) {
			heap_gone(b->addr, b->thread);
			b->bytes = 0;
		} else {
			uintptr_t at = base + ((size_t)rand() * 16) % ((round & 1 ? 300ul : 2ul) << 20);
			size_t bytes = some_size();
			if (is_free(at, at + bytes)) {
				*b = (struct heap_block){ at, bytes, (uint32_t)rand() & HEAP_MAX_STACK, (uint32_t)rand() & HEAP_MAX_THREAD };
				heap_fresh(b->addr, b->bytes, b->stack, b->thread);
			}
		}
		b = &list[rand() % BLOCKS];
		uintptr_t at = b->bytes && round % 4 ? b->addr + (size_t)rand() % b->bytes : base + (size_t)rand() % (300u << 20);
		const struct heap_block *in = NULL;
		for (unsigned i = 0; i < BLOCKS; i++)
			if (at - list[i].addr < list[i].bytes)
				in = &list[i];
		if (in)
			expect(at, in->addr, in->bytes, in->stack, in->thread);
		else
			expect_none(at);
	}
}

static int start(void **state)
{
	(void)state;
	return heap_start() ? 0 : -1;
}

int main(int argc, char **argv)
{
	unsigned seed = argc > 1 ? (unsigned)atoi(argv[1]) : (unsigned)time(NULL);
	printf("seed %u\n", seed);
	srand(seed);
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_edges), cmocka_unit_test(test_random) };
	return cmocka_run_group_tests(tests, start, NULL);
}
