/*
 * test_watch_vector.c - Which bytes gathers, scatters and masked moves touch: by hand, against what is worked out from
 * the decoded instruction and the registers that xsave wrote.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "watch/decode.h"
#include "watch/vector.h"

#include <cpuid.h>
#include <stdio.h>
#include <string.h>

#define BASE 0x10000u

static const struct decoder *decoder;
static _Alignas(64) uint8_t area[4096];
static uint32_t ymm_at, k_at, zmm_at, more_at;

static void set_dwords(unsigned reg, const uint32_t v[16])
{
	if (reg >= 16) {
		memcpy(area + more_at + 64 * (reg - 16), v, 64);
		return;
	}
	memcpy(area + 160 + 16 * reg, v, 16);
	memcpy(area + ymm_at + 16 * reg, v + 4, 16);
	memcpy(area + zmm_at + 32 * reg, v + 8, 32);
}

static void set_k(unsigned k, uint64_t v)
{
	memcpy(area + k_at + 8 * k, &v, 8);
}

/* The parts of one instruction as "address+bytes ", its operand's registers being zero and its displacement left out. */
static const char *touched(const char *code, size_t bytes, bool write)
{
	static char text[512];
	struct insn i = { .at = 0 };
	struct vector_part parts[VECTOR_PARTS];
	size_t n = 0;
	assert_true(decoder->decode(decoder, (const uint8_t *)code, bytes, &i));
	assert_int_equal(i.len, bytes);
	assert_true((i.is & INSN_VECTOR) && !(i.is & INSN_ODD));
	assert_int_equal((i.is & INSN_WRITES) != 0, write);
	struct watch_site s = { .size = i.op, .op = i.vector };
	unsigned nr = vector_parts(&s, BASE, area, parts);
	text[0] = 0;
	for (unsigned k = 0; k < nr; k++)
		n += (size_t)snprintf(text + n, sizeof text - n, "%lx+%u ", parts[k].addr - BASE, parts[k].bytes);
	return text;
}
#define TOUCHED(code, write) touched(code, sizeof(code) - 1, write)

static void test_gather(void **state)
{
	(void)state;
	set_dwords(1, (const uint32_t[16]){ 1, 4, 2, 9, 3, 16, 6, 32, 100, 101, 0x102, 0x103, 5, 0xfffffff0, 7, 8 });
	set_dwords(2, (const uint32_t[16]){ 0x80000000, 0x7fffffff, 0xffffffff, 0, 0, 0x80000000, 0, 0 });
	set_k(3, 0xa005);
	/* vpgatherdd %ymm2, (%rax,%ymm1,4), %ymm0: elements 0, 2 and 5 */
	assert_string_equal(TOUCHED("\xc4\xe2\x6d\x90\x04\x88", false), "4+8 40+4 ");
	/* vpgatherdq %ymm2, (%rax,%xmm1,8), %ymm0: highest bits of quadwords: 1: yes, 2: yes of the dwords 5 */
	assert_string_equal(TOUCHED("\xc4\xe2\xed\x90\x04\xc8", false), "10+8 ");
	/* vpgatherqd %xmm2, (%rax,%ymm1,1), %xmm0: quadword indices 0x400000001, 0x900000002, ... masks 0 and 2 */
	assert_string_equal(TOUCHED("\xc4\xe2\x6d\x91\x04\x08", false), "400000001+4 1000000003+4 ");
	/* vpgatherdd (%rax,%zmm1,4), %zmm0{%k3}: elements 0, 2, 13, 15 */
	assert_string_equal(TOUCHED("\x62\xf2\x7d\x4b\x90\x04\x88", false), "4+8 ffffffffffffffc0+4 20+4 ");
	/* vscatterdps %zmm0, (%rax,%zmm1,4){%k3} */
	assert_string_equal(TOUCHED("\x62\xf2\x7d\x4b\xa2\x04\x88", true), "4+8 ffffffffffffffc0+4 20+4 ");
	set_dwords(17, (const uint32_t[16]){ 64, 0, 128, 0, 256, 0, 512, 0, 1, 0, 2, 0, 3, 0, 4, 0 });
	set_k(1, 0x81);
	/* vpscatterqq %zmm0, (%rax,%zmm17,1){%k1}: elements 0 and 7 */
	assert_string_equal(TOUCHED("\x62\xf2\xfd\x41\xa1\x04\x08", true), "40+8 4+8 ");
}

static void test_masked(void **state)
{
	(void)state;
	set_dwords(2, (const uint32_t[16]){ 0x80000000, 0x7fffffff, 0xffffffff, 0x80000000, 0, 0x80000000, 0, 0 });
	set_k(3, 0xa005);
	set_k(4, 0);
	set_k(5, 0x8000000000000003);
	/* vmaskmovps (%rax), %ymm2, %ymm0: elements 0, 2, 3, 5 */
	assert_string_equal(TOUCHED("\xc4\xe2\x6d\x2c\x00", false), "0+4 8+8 14+4 ");
	/* vmaskmovpd %xmm0, %xmm2, (%rax): quadword 1 */
	assert_string_equal(TOUCHED("\xc4\xe2\x69\x2f\x00", true), "8+8 ");
	/* vpmaskmovd %xmm0, %xmm2, (%rax) */
	assert_string_equal(TOUCHED("\xc4\xe2\x69\x8e\x00", true), "0+4 8+8 ");
	/* vmovdqu32 (%rax), %zmm0{%k3}{z} */
	assert_string_equal(TOUCHED("\x62\xf1\x7e\xcb\x6f\x00", false), "0+4 8+4 34+4 3c+4 ");
	/* vmovdqu8 %zmm0, (%rax){%k5} */
	assert_string_equal(TOUCHED("\x62\xf1\x7f\x4d\x7f\x00", true), "0+2 3f+1 ");
	/* vmovups %zmm0, (%rax){%k4}: nothing */
	assert_string_equal(TOUCHED("\x62\xf1\x7c\x4c\x11\x00", true), "");
	/* vmovss %xmm0, (%rax){%k5}; {%k4} */
	assert_string_equal(TOUCHED("\x62\xf1\x7e\x0d\x11\x00", true), "0+4 ");
	assert_string_equal(TOUCHED("\x62\xf1\x7e\x0c\x11\x00", true), "");
	/* vaddps (%rax){1to16}, %zmm0, %zmm0{%k3}; {%k4} */
	assert_string_equal(TOUCHED("\x62\xf1\x7c\x5b\x58\x00", false), "0+4 ");
	assert_string_equal(TOUCHED("\x62\xf1\x7c\x5c\x58\x00", false), "");
	/* vpbroadcastd (%rax), %xmm0{%k3}: bits 0 and 2 of four; a mask of higher bits only is none */
	assert_string_equal(TOUCHED("\x62\xf2\x7d\x0b\x58\x00", false), "0+4 ");
	set_k(3, 0xa000);
	assert_string_equal(TOUCHED("\x62\xf2\x7d\x0b\x58\x00", false), "");
}

/* A mask that says what is kept, not what is read; and what cannot be told. */
static void test_others(void **state)
{
	(void)state;
	struct insn i = { .at = 0 };
	/* vpermd (%rax), %zmm0, %zmm0{%k3}: reads all */
	assert_true(decoder->decode(decoder, (const uint8_t *)"\x62\xf2\x7d\x4b\x36\x00", 6, &i));
	assert_true(!(i.is & (INSN_VECTOR | INSN_ODD)) && i.size == 64);
	/* vpcompressd %zmm0, (%rax){%k3} */
	assert_true(decoder->decode(decoder, (const uint8_t *)"\x62\xf2\x7d\x4b\x8b\x00", 6, &i));
	assert_true(i.is & INSN_ODD);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_gather), cmocka_unit_test(test_masked),
					    cmocka_unit_test(test_others) };
	const char *why = decoder_open(&decoder);
	if (why) {
		printf("skip test_watch_vector: %s\n", why);
		return 77;
	}
	/* Made up: no processor need have them. */
	vector_component(2, ymm_at = 576);
	vector_component(5, k_at = 1088);
	vector_component(6, zmm_at = 1152);
	vector_component(7, more_at = 1664);
	memcpy(area + 512, &(uint64_t){ 0xe7 }, 8);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
