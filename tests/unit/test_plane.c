/* test_plane.c - Planes lie beside everything, hold what was put there, and come back empty. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "watch/plane.h"

#define MANY 600

static int a_global;

static uint8_t read_gs(uintptr_t gs, uintptr_t addr)
{
	/* As emitted code would find it, without touching this process's %gs: it may be the sanitizer's. */
	return *(volatile uint8_t *)(plane_layout.direct ? gs + addr : gs + (addr << plane_layout.shift >> plane_layout.shift));
}

static bool mapped(uintptr_t addr)
{
	unsigned char v;
	return mincore((void *)(addr & ~4095ul), 1, &v) == 0;
}

static void check_beside(const struct plane *p, uintptr_t addr)
{
	uintptr_t at = plane_of(p, addr, 8);
	assert_int_not_equal(at, 0);
	assert_true(mapped(at));
	for (unsigned i = 0; plane_layout.direct && i < plane_layout.nr; i++)
		assert_false(at >= plane_layout.window[i].lo && at < plane_layout.window[i].hi);
}

static void test_form(bool low)
{
	static struct plane *p[MANY];
	int local = 0;
	char *heap = malloc(100000);
	void *map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const uintptr_t places[] = { (uintptr_t)&a_global, (uintptr_t)&local, (uintptr_t)heap + 5, (uintptr_t)map + 4090 };
	const char *trouble = plane_start(low);
	if (trouble) { /* a sanitizer's own shadow leaves no room */
		print_message("%s\n", trouble);
		skip();
	}
	assert_int_equal(plane_layout.direct && low, false);
	unsigned own = 0;
	for (unsigned i = 0; i < MANY; i++) {
		p[i] = plane_get();
		assert_non_null(p[i]);
		own += !p[i]->null;
		for (unsigned k = 0; k < 4; k++) {
			assert_int_equal(read_gs(p[i]->gs, places[k]), 0);
			if (p[i]->null)
				continue;
			check_beside(p[i], places[k]);
			*(volatile uint8_t *)plane_of(p[i], places[k], 1) = (uint8_t)(1 + i % 200);
		}
	}
	print_message("%u of %u planes, stride %lu GiB\n", own, MANY, (unsigned long)(plane_layout.stride >> 30));
	assert_true(own >= 100);
	for (unsigned i = 0; i < MANY; i++)
		for (unsigned k = 0; k < 4; k++)
			assert_int_equal(read_gs(p[i]->gs, places[k]), p[i]->null ? 0 : 1 + i % 200);
	/* Only what is asked for is wiped, and only in that plane. */
	plane_wipe(p[1], (uintptr_t)heap, 100000);
	plane_wipe(p[1], (uintptr_t)map + 4091, 300000);
	assert_int_equal(read_gs(p[1]->gs, places[2]), 0);
	assert_int_equal(read_gs(p[1]->gs, places[3]), 2);
	assert_int_equal(read_gs(p[0]->gs, places[2]), 1);
	/* What one thread leaves behind the next does not find. */
	plane_put(p[0]);
	struct plane *again = plane_get();
	assert_ptr_equal(again, p[0]);
	for (unsigned k = 0; k < 4; k++)
		assert_int_equal(read_gs(again->gs, places[k]), 0);
	free(heap);
	munmap(map, 1 << 20);
}

static void test_direct(void **state)
{
	(void)state;
	test_form(false);
}

static void test_low(void **state)
{
	(void)state;
	test_form(true);
}

int main(int argc, char **argv)
{
	/* One layout a process. */
	const struct CMUnitTest direct[] = { cmocka_unit_test(test_direct) }, low[] = { cmocka_unit_test(test_low) };
	if (argc > 1)
		return cmocka_run_group_tests(low, NULL, NULL);
	char cmd[4096];
	snprintf(cmd, sizeof cmd, "'%s' low", argv[0]);
	return cmocka_run_group_tests(direct, NULL, NULL) + (system(cmd) != 0);
}
