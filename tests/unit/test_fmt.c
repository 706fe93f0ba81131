/* fmt: numbers, truncation, and JSON that stays valid whatever bytes come. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/fmt.h"
#include "base/sys.h"

static void test_numbers(void **state)
{
	(void)state;
	static const uint64_t v[] = {
		0, 1, 9, 10, 99, 255, 256, 65535, 1234567890, INT64_MAX, (uint64_t)INT64_MIN, UINT64_MAX
	};
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		char buf[128], want[128];
		struct fmt f = fmt_on(buf, sizeof buf);
		fmt_u64(&f, v[i]);
		fmt_c(&f, ' ');
		fmt_i64(&f, (int64_t)v[i]);
		fmt_c(&f, ' ');
		fmt_hex(&f, v[i]);
		fmt_c(&f, ' ');
		fmt_hex_pad(&f, v[i], 16);
		snprintf(want, sizeof want, "%" PRIu64 " %" PRId64 " %" PRIx64 " %016" PRIx64, v[i], (int64_t)v[i],
			 v[i], v[i]);
		assert_string_equal(fmt_end(&f), want);
		assert_false(f.cut);
	}
}

static void test_cut(void **state)
{
	(void)state;
	char buf[9];
	memset(buf, '#', sizeof buf);
	struct fmt f = fmt_on(buf, 8);
	fmt_str(&f, "12345");
	fmt_str(&f, "6789");
	assert_true(f.cut);
	assert_int_equal(f.len, 8);
	fmt_c(&f, 'x');
	fmt_u64(&f, 7);
	assert_int_equal(f.len, 8);
	assert_memory_equal(buf, "12345678#", 9);
	assert_string_equal(fmt_end(&f), "1234567");
	assert_int_equal(buf[8], '#');

	f = fmt_on(buf, 8); /* full to the brim is not cut until the NUL wants its place */
	fmt_str(&f, "12345678");
	assert_false(f.cut);
	fmt_end(&f);
	assert_true(f.cut);

	f = fmt_on(buf, 5); /* never half a character */
	fmt_str(&f, "ab\xe2\x82\xac\xe2\x82\xac");
	assert_string_equal(fmt_end(&f), "ab");
	f = fmt_on(buf, 6);
	fmt_str(&f, "ab\xe2\x82\xac\xe2\x82\xac");
	assert_string_equal(fmt_end(&f), "ab\xe2\x82\xac");

	f = fmt_on(buf, 0);
	fmt_str(&f, "x");
	assert_true(f.cut);
	assert_string_equal(fmt_end(&f), "");
}

static const char *json(const char *s, size_t len)
{
	static char buf[512];
	struct fmt f = fmt_on(buf, sizeof buf);
	fmt_json_mem(&f, s, len);
	assert_false(f.cut);
	return fmt_end(&f);
}

#define JSON(s) json(s, sizeof(s) - 1)
#define BAD     "\xef\xbf\xbd"

static void test_json(void **state)
{
	(void)state;
	assert_string_equal(JSON(""), "\"\"");
	assert_string_equal(JSON("plain /usr/bin"), "\"plain /usr/bin\"");
	assert_string_equal(JSON("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
	assert_string_equal(JSON("\n\r\t\x01\x1f\x7f"), "\"\\n\\r\\t\\u0001\\u001f\x7f\"");
	assert_string_equal(JSON("a\0b"), "\"a\\u0000b\"");
	assert_string_equal(JSON("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80"),
			    "\"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80\"");
	/* What is not UTF-8. */
	assert_string_equal(JSON("\xff"), "\"" BAD "\"");
	assert_string_equal(JSON("\x80x"), "\"" BAD "x\"");
	assert_string_equal(JSON("\xc3"), "\"" BAD "\"");
	assert_string_equal(JSON("\xc3\""), "\"" BAD "\\\"\"");
	assert_string_equal(JSON("\xc0\xaf"), "\"" BAD BAD "\"");                 /* overlong '/' */
	assert_string_equal(JSON("\xe0\x80\xaf"), "\"" BAD BAD BAD "\"");         /* the same in three */
	assert_string_equal(JSON("\xed\xa0\x80"), "\"" BAD BAD BAD "\"");         /* a surrogate */
	assert_string_equal(JSON("\xf4\x90\x80\x80"), "\"" BAD BAD BAD BAD "\""); /* beyond U+10FFFF */
	assert_string_equal(JSON("\xe2\x82"), "\"" BAD BAD "\"");
}

/* An independent, stupid judge of what is inside the quotes. */
static bool good_json_string(const unsigned char *s, size_t len)
{
	if (len < 2 || s[0] != '"' || s[len - 1] != '"')
		return false;
	for (size_t i = 1; i < len - 1;) {
		if (s[i] < 0x20 || s[i] == '"')
			return false;
		if (s[i] == '\\') {
			if (!strchr("\"\\/bfnrtu", s[i + 1]) || i + 2 > len - 1)
				return false;
			i += s[i + 1] == 'u' ? 6 : 2;
			continue;
		}
		if (s[i] < 0x80) {
			i++;
			continue;
		}
		uint32_t code = 0;
		int more = s[i] >= 0xf0 ? 3 : s[i] >= 0xe0 ? 2 : 1;
		if (s[i] < 0xc0 || s[i] > 0xf7)
			return false;
		code = s[i] & (0x3f >> more);
		for (int k = 1; k <= more; k++) {
			if ((s[i + k] & 0xc0) != 0x80)
				return false;
			code = code << 6 | (s[i + k] & 0x3f);
		}
		if (code < (more == 1 ? 0x80u : more == 2 ? 0x800u : 0x10000u) || code > 0x10ffff || (code >> 11) == 27)
			return false;
		i += (size_t)more + 1;
	}
	return true;
}

static void test_json_random(void **state)
{
	(void)state;
	const char *given = getenv("SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 0) : (unsigned)time(NULL);
	printf("# SEED=%u\n", seed);
	for (int round = 0; round < 50000; round++) {
		unsigned char in[24];
		char out[sizeof in * 6 + 3];
		size_t len = (size_t)rand_r(&seed) % sizeof in;
		for (size_t i = 0; i < len; i++) {
			/* Mostly bytes that mean something in UTF-8. */
			static const unsigned char hot[] = { 0x80, 0xbf, 0xc2, 0xdf, 0xe0, 0xed,
							     0xef, 0xf0, 0xf4, 0x9f, 0xa0, 0x90 };
			unsigned r = (unsigned)rand_r(&seed);
			in[i] = r & 0x100 ? hot[r % sizeof hot] : (unsigned char)r;
		}
		struct fmt f = fmt_on(out, sizeof out);
		fmt_json_mem(&f, (char *)in, len);
		assert_false(f.cut);
		assert_true(good_json_string((unsigned char *)out, f.len));
	}
}

static void test_clock(void **state)
{
	(void)state;
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	uint64_t before = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec, ours = sys_clock_ns();
	clock_gettime(CLOCK_MONOTONIC, &t);
	uint64_t after = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	assert_true(before <= ours && ours <= after);
	assert_in_range(sys_wall_ns() / 1000000000u, (uint64_t)time(NULL) - 1, (uint64_t)time(NULL) + 1);
}

static void test_read_file(void **state)
{
	(void)state;
	char text[64], small[5];
	assert_true(sys_read_file("/proc/self/stat", text, sizeof text) == sizeof text - 1);
	assert_int_equal(sys_read_file("/proc/sys/kernel/ostype", text, sizeof text), 6);
	assert_string_equal(text, "Linux\n");
	assert_int_equal(sys_read_file("/proc/sys/kernel/ostype", small, sizeof small), 4);
	assert_string_equal(small, "Linu");
	assert_int_equal(sys_read_file("/nowhere", text, sizeof text), -ENOENT);
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),     cmocka_unit_test(test_cut),   cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_random), cmocka_unit_test(test_clock), cmocka_unit_test(test_read_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
