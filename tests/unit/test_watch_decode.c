/*
 * test_watch_decode.c - The hand-written decoder says what Zydis says, and Zydis' account is what the planner takes it
 * for.
 *
 * Every instruction of some real files, and random bytes. SEED, ROUNDS (random instructions) in the environment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "watch/decode_fast.h"
#include "watch_elf.h"

static const struct decoder *zydis;
static unsigned long compared, known;

static void show(const char *who, const struct insn *i)
{
	printf("#   %s: len %u kind %u is %x reads %x kills %x changes %x base %u index %u scale %u size %u disp_at %u "
	       "op %x disp %d\n",
	       who, i->len, i->kind, i->is, i->reads, i->kills, i->changes, i->base, i->index, i->scale, i->size,
	       i->disp_at, i->op, i->disp);
}

/* The length of what stands there, 0: nothing; fails when the two do not agree. */
static unsigned compare(const uint8_t *p, size_t left)
{
	struct insn a = { .at = 7 }, b = { .at = 7 };
	if (left < DECODE_FAST_BYTES)
		return 0;
	bool fast = decode_fast(p, &a), good = zydis->decode(zydis, p, left, &b);
	compared += good;
	known += fast;
	if (fast && (!good || memcmp(&a, &b, sizeof(a)))) {
		printf("#");
		for (unsigned k = 0; k < 15; k++)
			printf(" %02x", p[k]);
		printf("\n");
		show("by hand", &a);
		if (good)
			show("Zydis", &b);
		fail_msg("they do not agree");
	}
	return good ? b.len : 0;
}

static void test_files(void **state)
{
	(void)state;
	const char *const files[] = { "/proc/self/exe", "/lib/x86_64-linux-gnu/libc.so.6",
				      "/lib/x86_64-linux-gnu/libm.so.6", "/bin/bash", "/usr/bin/perl" };
	const char *own = getenv("FILES");
	for (unsigned f = 0; f < ARRAY_SIZE(files); f++) {
		struct elf_map m;
		if (!elf_open(&m, own && f == 0 ? own : files[f]))
			continue;
		compared = known = 0;
		for (unsigned t = 0; t < m.view.nr_text; t++)
			for (uintptr_t at = m.text[t].lo; at < m.text[t].hi;) {
				unsigned len = compare((const uint8_t *)at, m.text[t].hi - at);
				at += len ? len : 1;
			}
		printf("# %s: %lu instructions, %.1f %% known\n", files[f], compared,
		       100.0 * (double)known / (double)compared);
		assert_true(f > 0 || known * 10 > compared * 8);
		elf_close(&m);
	}
}

static void test_random(void **state)
{
	(void)state;
	uint64_t x = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 0) : 1;
	unsigned long rounds = getenv("ROUNDS") ? strtoul(getenv("ROUNDS"), NULL, 0) : 500000;
	x = x * 0x9e3779b97f4a7c15u + 1;
	compared = known = 0;
	while (rounds--) {
		uint8_t code[32];
		for (unsigned k = 0; k < sizeof(code); k += 8) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			uint64_t v = x * 0x2545f4914f6cdd1du;
			memcpy(code + k, &v, 8);
		}
		unsigned n = 0;
		static const uint8_t prefix[] = { 0x66, 0xf2, 0xf3, 0x48, 0x41, 0x4c, 0x64, 0x0f };
		for (unsigned how = code[31]; how & 1; how >>= 1)
			code[n] = prefix[code[30 - n] & 7], n++;
		if (code[29] & 1)
			code[n] = 0x0f;
		compare(code, sizeof(code));
	}
	printf("# %lu instructions, %lu known\n", compared, known);
}

/* What stands behind a VEX prefix is another instruction, if any. */
static void test_prefixed(void **state)
{
	(void)state;
	static const uint8_t jne[16] = { 0x75, 0x18 }, jknzd[16] = { 0xc4, 0x20, 0x48, 0x75, 0x18 };
	struct insn i = { .at = 0 };
	assert_true(zydis->decode(zydis, jne, sizeof(jne), &i) && i.kind == INSN_JCC && i.len == 2);
	assert_false(zydis->decode(zydis, jknzd, sizeof(jknzd), &i));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_files), cmocka_unit_test(test_random), cmocka_unit_test(test_prefixed) };
	const char *why = decoder_open(&zydis);
	zydis = decoder_zydis();
	if (why) {
		printf("skip test_watch_decode: %s\n", why);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
