/* test_coverage.c - What counts as watched, and what not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "watch/coverage.h"

static void test_elsewhere(void **state)
{
	(void)state;
	static char text[256], again[4096];
	struct plan_counts counts = { .accesses = 100 };
	counts.reason[PLAN_WATCHED] = 60;
	counts.reason[PLAN_NO_FUNCTION] = 40;
	memset(text, 'a', sizeof text);
	coverage_add(&counts, true);
	coverage_gap((uintptr_t)text, (uintptr_t)text + 128, 0x1100, 30);
	coverage_gap((uintptr_t)text + 128, (uintptr_t)text + 256, 0x5000, 10);

	memset(again, 'b', sizeof again); /* other code of the same place in some other file */
	coverage_mapped((uintptr_t)again, sizeof again, 0x1000);
	memset(again + 0x100, 'a', 128);
	coverage_mapped((uintptr_t)again, sizeof again, 0x2000); /* not that place */
	coverage_mapped((uintptr_t)again, 0x17f, 0x1000);        /* not all of it */
	coverage_mapped((uintptr_t)again, 4096, 0x1101);
	assert_int_equal(coverage_counts().accesses, 100);
	assert_int_equal(coverage_counts().elsewhere, 0);
	assert_string_equal(coverage_refused(), "outside functions 40");

	for (unsigned n = 0; n < 2; n++) /* each thread may map it for itself */
		coverage_mapped((uintptr_t)again, 0x180, 0x1000);
	assert_int_equal(coverage_counts().accesses, 70);
	assert_int_equal(coverage_counts().watched, 60);
	assert_int_equal(coverage_counts().elsewhere, 30);
	assert_string_equal(coverage_refused(), "outside functions 10");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_elsewhere) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
