/* test_module.c - The list of modules against the loader's, with libraries that come and go. */
#include <dlfcn.h>
#include <elf.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/module.h"

/* Libraries that a test program has no need of, and that open nothing else. */
static const char *const guests[] = { "libBrokenLocale.so.1", "libanl.so.1", "libutil.so.1", "libthread_db.so.1" };

static void *open_guest(unsigned i)
{
	return dlopen(guests[i % 4], RTLD_NOW | RTLD_LOCAL);
}
static uintptr_t where(void *handle)
{
	return (uintptr_t)((struct link_map *)handle)->l_ld;
}

static int check_one(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const Elf64_Phdr *ph = &info->dlpi_phdr[i];
		uintptr_t at = info->dlpi_addr + ph->p_vaddr, lo, hi;
		unsigned nr;
		if (ph->p_type != PT_LOAD)
			continue;
		const struct module *m = module_find(at);
		assert_non_null(m);
		assert_ptr_equal(m, module_find(at + ph->p_memsz - 1));
		assert_ptr_equal(m, module_by_id(m->id));
		assert_int_equal(m->bias, info->dlpi_addr);
		const Elf64_Phdr *copy = module_phdr(m, &nr);
		assert_int_equal(nr, info->dlpi_phnum);
		assert_memory_equal(copy, info->dlpi_phdr, nr * sizeof(*copy));
		assert_true(module_segment(m, at, ph->p_flags & PF_X, &lo, &hi));
		assert_int_equal(lo, at);
		assert_int_equal(hi, at + ph->p_memsz);
		if (!(ph->p_flags & PF_X))
			assert_false(module_segment(m, at, true, &lo, &hi));
		++*(unsigned *)arg;
	}
	return 0;
}

static void test_list(void **state)
{
	(void)state;
	unsigned segments = 0;
	char exe[PATH_MAX];
	exe[readlink("/proc/self/exe", exe, sizeof(exe) - 1)] = 0;
	dl_iterate_phdr(check_one, &segments);
	assert_true(segments > 8);
	const struct module *me = module_find((uintptr_t)test_list),
			    *libc = module_find((uintptr_t)dlsym(RTLD_DEFAULT, "qsort"));
	assert_string_equal(me->path, exe);
	assert_true(me->self);
	assert_false(me->system);
	assert_non_null(me->eh_frame_hdr);
	assert_true(me->build_id_len == 20 || me->build_id_len == 8 || me->build_id_len == 16 || me->build_id_len == 0);
	assert_true(libc->system && !libc->self && libc->path[0] == '/');
	assert_int_equal(libc->build_id_len, 20);
	const struct module *vdso = module_find(getauxval(AT_SYSINFO_EHDR));
	if (vdso) {
		assert_string_equal(vdso->path, "[vdso]");
		assert_true(vdso->system);
	}
	int local;
	assert_null(module_find((uintptr_t)&local));
	assert_null(module_find(0));
	assert_null(module_find(UINTPTR_MAX));
	assert_null(module_by_id(0));
	assert_null(module_by_id(module_count() + 1));
	assert_null(module_by_id(UINT32_MAX));
	assert_false(module_refresh());
}

static void test_come_and_go(void **state)
{
	(void)state;
	uint32_t epoch = module_epoch(), count = module_count();
	void *h = open_guest(0);
	assert_non_null(h);
	uintptr_t at = where(h);
	assert_null(module_find(at));
	assert_true(module_refresh());
	const struct module *m = module_find(at);
	assert_non_null(m);
	assert_non_null(strstr(m->path, guests[0]));
	assert_int_equal(module_epoch(), epoch);
	assert_int_equal(module_count(), count + 1);
	assert_false(module_refresh());
	dlclose(h);
	assert_true(module_refresh());
	assert_null(module_find(at));
	assert_true(m->gone);
	assert_int_not_equal(module_epoch(), epoch);
	assert_ptr_equal(module_by_id(m->id), m);
	/* Again, mostly at the same place. */
	h = open_guest(0);
	assert_true(module_refresh());
	const struct module *again = module_find(where(h));
	if (where(h) == at)
		assert_ptr_equal(again, m);
	else
		assert_ptr_not_equal(again, m);
	assert_false(again->gone);
	/* Closed, and another one maybe at its place. */
	dlclose(h);
	h = open_guest(1);
	assert_true(module_refresh());
	const struct module *other = module_find(where(h));
	assert_non_null(strstr(other->path, guests[1]));
	assert_int_not_equal(other->id, m->id);
	dlclose(h);
	module_refresh();
	module_fork_child();
	assert_false(module_refresh());
}

static void test_learn(void **state)
{
	(void)state;
	module_lookup find = (module_lookup)dlsym(RTLD_DEFAULT, "_dl_find_object");
	void *h = open_guest(2);
	uintptr_t at = where(h);
	assert_false(module_learn(at)); /* nobody has said how */
	module_set_lookup(find);
	assert_false(module_learn(8));
	assert_false(module_learn((uintptr_t)test_learn));
	if (find) {
		assert_true(module_learn(at));
		const struct module *m = module_find(at);
		assert_non_null(strstr(m->path, guests[2]));
		assert_non_null(m->eh_frame_hdr);
		assert_true(m->build_id_len > 0);
		/* The loader's list then shows nothing new. */
		uint32_t count = module_count();
		assert_false(module_refresh());
		assert_int_equal(module_count(), count);
		assert_ptr_equal(module_find(at), m);
	}
	dlclose(h);
	assert_true(module_refresh());
	assert_false(module_learn(at));
	module_set_lookup(NULL);
}

static _Atomic bool stop;

static void *finder(void *arg)
{
	uintptr_t mine = (uintptr_t)finder;
	unsigned seed = (unsigned)(uintptr_t)arg, n = 0;
	while (!atomic_load(&stop)) {
		const struct module *m = module_find(mine);
		if (!m || !(m->lo <= mine && mine < m->hi))
			return (void *)1;
		/* Anything at all must be answered with a module that holds it. */
		uintptr_t any = m->lo + ((uintptr_t)rand_r(&seed) << 12);
		const struct module *o = module_find(any);
		if (o && !(o->lo <= any && any < o->hi))
			return (void *)2;
		n++;
	}
	return n > 100 ? NULL : (void *)3;
}

static void test_find_while_changing(void **state)
{
	(void)state;
	pthread_t t[3];
	for (uintptr_t i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, finder, (void *)i);
	for (unsigned i = 0; i < 400; i++) {
		void *h = open_guest(i);
		module_refresh();
		if (h) {
			assert_non_null(module_find(where(h)));
			dlclose(h);
		}
		if (i % 3 == 0)
			module_refresh();
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 3; i++) {
		void *bad;
		pthread_join(t[i], &bad);
		assert_null(bad);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_come_and_go),
		cmocka_unit_test(test_learn),
		cmocka_unit_test(test_find_while_changing),
	};
	module_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
