/* options: what is accepted, what each refusal says, and that any text at all is survived. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "wire/options.h"

static struct options o;
static char err[256];

static int parse(const char *text)
{
	options_default(&o);
	memset(err, 'x', sizeof err);
	return options_parse(&o, text, err, sizeof err);
}

static void accepts(const char *text)
{
	if (parse(text) != 0)
		fail_msg("%s: %s", text, err);
	assert_string_equal(err, "");
}

static void refuses(const char *text, const char *why)
{
	assert_int_equal(parse(text), -1);
	assert_string_equal(err, why);
}

static void test_defaults(void **state)
{
	(void)state;
	accepts("");
	assert_null(o.journal);
	assert_string_equal(o.instrument, "main");
	assert_int_equal(o.races, RACES_HB);
	assert_int_equal(o.deadlock, DEADLOCK_REPORT);
	assert_int_equal(o.fail_on, GRADE_POSSIBLE);
	assert_int_equal(o.stack_depth, 64);
	assert_int_equal(o.memory_limit, 0);
	assert_false(o.quiet);
	assert_int_equal(o.given, 0);
}

static void test_values(void **state)
{
	(void)state;
	accepts("journal=/tmp/%e.%p:fail-on=confirmed:stack_depth=256:quiet:verbose=off:races=off:deadlock=abort");
	assert_string_equal(o.journal, "/tmp/%e.%p");
	assert_int_equal(o.fail_on, GRADE_CONFIRMED);
	assert_int_equal(o.stack_depth, 256);
	assert_true(o.quiet);
	assert_false(o.verbose);
	assert_int_equal(o.races, RACES_OFF);
	assert_int_equal(o.deadlock, DEADLOCK_ABORT);
	assert_true(o.given >> options_find("verbose", 7, NULL) & 1);
	assert_false(o.given >> options_find("stats", 5, NULL) & 1);
	accepts("races=hybrid:deadlock=exit:fail_on=advice:exitcode=255");
	assert_int_equal(o.races, RACES_HYBRID);
	assert_int_equal(o.deadlock, DEADLOCK_EXIT);
	assert_int_equal(o.fail_on, GRADE_ADVICE);
	assert_int_equal(o.exitcode, 255);
	static const struct {
		const char *text;
		bool on;
	} bools[] = { { "stats=on", true },   { "stats=yes", true }, { "stats=1", true },
		      { "stats=true", true }, { "stats", true },     { "stats=off", false },
		      { "stats=no", false },  { "stats=0", false },  { "stats=false", false } };
	for (size_t i = 0; i < sizeof bools / sizeof *bools; i++) {
		accepts(bools[i].text);
		assert_int_equal(o.stats, bools[i].on);
	}
	static const struct {
		const char *text;
		size_t bytes;
	} sizes[] = { { "memory_limit=0", 0 },
		      { "memory_limit=123", 123 },
		      { "memory_limit=4k", 4096 },
		      { "memory-limit=64M", (size_t)64 << 20 },
		      { "memory_limit=3g", (size_t)3 << 30 } };
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		accepts(sizes[i].text);
		assert_int_equal(o.memory_limit, sizes[i].bytes);
	}
	accepts(":::quiet::stack_depth=3:"); /* empty pieces are nothing */
	assert_int_equal(o.stack_depth, 3);
	accepts("log=a:log=b"); /* the last one counts */
	assert_string_equal(o.log, "b");
}

static void test_refusals(void **state)
{
	(void)state;
	refuses("jornal=x", "unknown option 'jornal' (did you mean 'journal'?)");
	refuses("stack-dept=3", "unknown option 'stack-dept' (did you mean 'stack_depth'?)");
	refuses("mem=3", "unknown option 'mem' (did you mean 'memory_limit'?)");
	refuses("QUIET", "unknown option 'QUIET' (did you mean 'quiet'?)");
	refuses("zzz", "unknown option 'zzz' (the nearest is 'log'; 'help' lists them all)");
	refuses("a_key_so_long_that_it_resembles_nothing_at_all",
		"unknown option 'a_key_so_long_that_it_resembles_nothing_at_all' ('help' lists them all)");
	refuses("\x1b[31m=1", "unknown option '?[31m' (the nearest is 'graph'; 'help' lists them all)");
	refuses("=3", "an option's name is missing before '='");
	refuses("journal", "journal wants a value: journal=PATH");
	refuses("journal=", "journal wants PATH, not an empty value");
	refuses("quiet=maybe", "quiet wants on or off, not 'maybe'");
	refuses("quiet=", "quiet wants on or off, not ''");
	refuses("stack_depth=0", "stack_depth wants a number from 1 to 256, not '0'");
	refuses("stack_depth=257", "stack_depth wants a number from 1 to 256, not '257'");
	refuses("stack_depth=12x", "stack_depth wants a number from 1 to 256, not '12x'");
	refuses("exitcode=256", "exitcode wants a number from 0 to 255, not '256'");
	refuses("hold_ms=-1", "hold_ms wants a number from 0 to 1000000000, not '-1'");
	refuses("history=99999999999999999999999",
		"history wants a number from 0 to 1000000000, not '99999999999999999999999'");
	refuses("races=on", "races wants hb|hybrid|off, not 'on'");
	refuses("deadlock=", "deadlock wants report|exit|abort, not ''");
	refuses("fail_on=x", "fail_on wants confirmed|feasible|possible|advice, not 'x'");
	refuses("fail_on=possible|advice", "fail_on wants confirmed|feasible|possible|advice, not 'possible|advice'");
	static const char *const sizes[] = { "", "k", "1t", "1kb", "-1", "1.5g", "99999999999g" };
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		char text[64], want[160];
		snprintf(text, sizeof text, "memory_limit=%s", sizes[i]);
		snprintf(want, sizeof want,
			 "memory_limit wants a size in bytes, or one such as 512k, 64m or 2g, not '%s'", sizes[i]);
		refuses(text, want);
	}
	/* It stops at the first, and what came before holds. */
	assert_int_equal(parse("quiet:nonsense:verbose"), -1);
	assert_true(o.quiet);
	assert_false(o.verbose);
	/* Too long for the struct. */
	char *text = calloc(1, OPTIONS_TEXT_BYTES + 100);
	strcpy(text, "journal=");
	memset(text + 8, 'j', OPTIONS_TEXT_BYTES + 50);
	refuses(text, "journal is too long: all options together may have 8192 bytes");
	free(text);
	/* Any room for the message will do. */
	for (size_t cap = 0; cap < 60; cap++) {
		memset(err, 'x', sizeof err);
		options_default(&o);
		assert_int_equal(options_set(&o, "jornal", 6, "x", 1, err, cap), -1);
		assert_int_equal(err[cap], 'x');
		assert_true(cap == 0 || strlen(err) < cap);
	}
}

static void test_escapes(void **state)
{
	(void)state;
	accepts("journal=C\\:\\\\x\\,y\\z:quiet");
	assert_string_equal(o.journal, "C:\\x,y\\z");
	assert_true(o.quiet);
	accepts("log=a=b=c");
	assert_string_equal(o.log, "a=b=c");
	accepts("log=end\\");
	assert_string_equal(o.log, "end\\");

	/* A list keeps what tells a comma in a name from one between names. */
	accepts("suppressions=a\\,b,c\\:d,,e\\\\:quiet");
	assert_true(o.quiet);
	const char *list = o.suppressions;
	char name[16];
	static const char *const want[] = { "a,b", "c:d", "e\\" };
	for (size_t i = 0; i < 3; i++) {
		assert_true(options_next(&list, name, sizeof name));
		assert_string_equal(name, want[i]);
	}
	assert_false(options_next(&list, name, sizeof name));
	list = "long-name,x";
	assert_true(options_next(&list, name, 5));
	assert_string_equal(name, "long");
	assert_true(options_next(&list, name, 5));
	assert_string_equal(name, "x");
	assert_true(options_is_list(options_find("suppressions", 12, NULL)));
	assert_true(options_is_list(options_find("instrument", 10, NULL)));
	assert_false(options_is_list(options_find("journal", 7, NULL)));

	char out[16];
	assert_int_equal(options_escape(out, sizeof out, "a:b\\c"), 7);
	assert_string_equal(out, "a\\:b\\\\c");
	assert_int_equal(options_escape(out, 8, "a:b\\c"), 7);
	assert_int_equal(options_escape(out, 7, "a:b\\c"), 0);
	assert_string_equal(out, "");
	assert_int_equal(options_escape(out, 0, "a"), 0);
	/* A plain list goes through the plain function as well. */
	assert_int_equal(options_escape(out, sizeof out, "a.supp,b.supp"), 13);
}

static void test_expand(void **state)
{
	(void)state;
	char out[32];
	assert_true(options_expand(out, sizeof out, "/tmp/%e.%p.%%.%x%", 4711, "/usr/bin/app"));
	assert_string_equal(out, "/tmp/app.4711.%.%x%");
	assert_true(options_expand(out, sizeof out, "%p%e", 0, NULL));
	assert_string_equal(out, "0");
	assert_true(options_expand(out, 5, "%p", 1234, "x"));
	assert_false(options_expand(out, 4, "%p", 1234, "x"));
	assert_false(options_expand(out, 4, "abcd", 1, "x"));
	assert_false(options_expand(out, 0, "", 1, "x"));
	assert_true(options_expand(out, 1, "", 1, "x"));
}

static void test_find(void **state)
{
	(void)state;
	const char *near;
	for (size_t i = 0; i < nr_options; i++) {
		char key[64];
		strcpy(key, option_rows[i].name);
		assert_int_equal(options_find(key, strlen(key), &near), (int)i);
		for (char *c = key; *c; c++)
			if (*c == '_')
				*c = '-';
		assert_int_equal(options_find(key, strlen(key), NULL), (int)i);
		/* One letter missing, doubled, or two swapped: still known which. */
		if (strlen(key) < 4)
			continue;
		char wrong[80];
		snprintf(wrong, sizeof wrong, "%c%s", key[0], key);
		assert_int_equal(options_find(wrong, strlen(wrong), &near), -1);
		assert_string_equal(near, option_rows[i].name);
		snprintf(wrong, sizeof wrong, "%c%c%s", key[1], key[0], key + 2);
		assert_int_equal(options_find(wrong, strlen(wrong), &near), -1);
		assert_string_equal(near, option_rows[i].name);
	}
	assert_int_equal(options_find("quiet\0", 6, NULL), -1);
	assert_int_equal(options_find("qui", 3, NULL), -1);
	assert_int_equal(options_find("", 0, &near), -1);
	assert_null(near);
}

/* What was stored comes back from its escaped form, for names made of everything that matters. */
static void test_random(void **state)
{
	(void)state;
	const char *given = getenv("SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 0) : (unsigned)time(NULL);
	printf("# SEED=%u\n", seed);
	for (int round = 0; round < 30000; round++) {
		static const char hot[] = ":,\\=ab%/ -_";
		char value[24], text[128], list[128];
		size_t len = 1 + (size_t)rand_r(&seed) % (sizeof value - 1), n = 0;
		for (size_t i = 0; i < len; i++)
			value[i] = rand_r(&seed) % 8 ? hot[(size_t)rand_r(&seed) % (sizeof hot - 1)]
						     : (char)(1 + rand_r(&seed) % 255);
		value[len - 1] = '\0';
		if (len > 1) {
			strcpy(text, "quiet:log=");
			assert_true(options_escape(text + 10, sizeof text - 10, value) >= len - 1);
			strcat(text, ":verbose");
			accepts(text);
			assert_string_equal(o.log, value);
			assert_true(o.quiet && o.verbose);
		}
		/* As a list of one name, escaped as its user would. */
		for (size_t i = 0; value[i]; i++) {
			if (value[i] == ',' || value[i] == '\\')
				list[n++] = '\\';
			list[n++] = value[i];
		}
		list[n] = '\0';
		if (n) {
			int row = options_find("suppressions", 12, NULL);
			strcpy(text, "suppressions=");
			assert_true(options_escape_row(text + 13, sizeof text - 13, row, list) >= n);
			strcat(text, ":verbose");
			accepts(text);
			const char *at = o.suppressions;
			char name[64];
			assert_true(options_next(&at, name, sizeof name));
			assert_string_equal(name, value);
			assert_false(options_next(&at, name, sizeof name));
			assert_true(o.verbose);
		}
	}
	/* Any bytes whatever. */
	for (int round = 0; round < 100000; round++) {
		char text[48];
		size_t len = (size_t)rand_r(&seed) % sizeof text;
		size_t from = 0;
		if (rand_r(&seed) % 2) {
			from = (size_t)snprintf(text, sizeof text,
						"%s=", option_rows[(size_t)rand_r(&seed) % nr_options].name);
			len = len < from ? from : len;
		}
		for (size_t i = from; i < len; i++)
			text[i] = (char)(1 + rand_r(&seed) % 255);
		text[len ? len - 1 : 0] = '\0';
		int r = parse(text);
		assert_int_equal(r == 0, err[0] == '\0');
		assert_true(strlen(err) < sizeof err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_values), cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_escapes),  cmocka_unit_test(test_expand), cmocka_unit_test(test_find),
		cmocka_unit_test(test_random),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
