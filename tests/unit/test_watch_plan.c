/*
 * test_watch_plan.c - What must hold of every plan, on the machine's own programs and libraries; liveness against a
 * twin.
 *
 * FILES="a b c" in the environment: these instead; MEGABYTES: how much to go through (default 12).
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "watch/code.h"
#include "watch/live.h"
#include "watch_elf.h"

#define must(what) assert_true(what)
#include "watch_holds.h"

static const struct decoder *decoder;
static struct {
	unsigned long files, windows, moved, sites, islands, traps, watched, accesses, outside, lives;
} total;

/* ---- liveness ---- */

#define TWIN_MAX 160u

/* Is bit `b` read before it is overwritten on some way from instruction n on? By walking every way. */
static bool twin(const struct code *c, const struct code_function *f, uint32_t n, uint32_t b)
{
	bool been[TWIN_MAX] = { false };
	uint32_t todo[2 * TWIN_MAX], nr = 0;
	todo[nr++] = n;
	while (nr > 0) {
		n = todo[--nr];
		if (n >= f->count)
			return true;
		if (been[n])
			continue;
		been[n] = true;
		const struct insn *i = &c->insn[f->first + n];
		bool flag = (1u << b & FLAGS_ALL) != 0;
		if (i->kind == INSN_CALL || i->kind == INSN_CALL_FAR || i->kind == INSN_RET ||
		    i->kind == INSN_JMP_FAR) {
			if (!flag || i->kind == INSN_JMP_FAR || (f->is & FN_BARE))
				return true;
			continue;
		}
		if (i->kind == INSN_STOP || (i->reads >> b & 1))
			return true;
		if (i->kills >> b & 1)
			continue;
		if (i->kind != INSN_JMP)
			todo[nr++] = n + 1;
		if (i->kind == INSN_PLAIN)
			continue;
		uint32_t to = code_place(c, insn_goal(c, i));
		if (to != UINT32_MAX && to >= f->lo && to < f->hi && bit_get(c->start, to)) {
			todo[nr++] = code_insn_from(c, to) - f->first;
			continue;
		}
		const struct code_function *g = to == UINT32_MAX ? NULL : code_function_at(c, to);
		if (!flag || !g || g->lo != to || (g->is & FN_PART) || (to >= f->lo && to < f->hi))
			return true;
	}
	return false;
}

static void check_live(const struct code *c)
{
	struct live l = { .before = NULL };
	for (uint32_t n = 0; n < c->nr_fn; n += 1 + c->nr_fn / 40) {
		const struct code_function *f = &c->fn[n];
		if (f->alone || f->count == 0 || f->count > TWIN_MAX)
			continue;
		assert_int_equal(live_function(&l, c, f), 0);
		for (uint32_t i = 0; i < f->count; i++)
			for (uint32_t b = 0; b < 22; b++, total.lives++)
				if (twin(c, f, i, b) != (l.before[i] >> b & 1))
					fail_msg("bit %u before %#lx", b, c->base + c->insn[f->first + i].at);
	}
	live_close(&l);
}

/* ---- files ---- */

static size_t one_file(const char *path)
{
	struct elf_map m;
	struct plan p;
	struct code c;
	if (!elf_open(&m, path))
		return 0;
	struct emit_abi abi = { -64, -128, 1, 2, 3, m.view.pie, 20 };
	size_t text = 0;
	for (unsigned t = 0; t < m.view.nr_text; t++)
		text += m.text[t].hi - m.text[t].lo;
	uintptr_t arena = ((uintptr_t)m.lo + m.bytes + 0xffff) & ~0xffffull;
	assert_int_equal(code_open(&c, &m.view, decoder), 0);
	assert_int_equal(plan_module(&m.view, &abi, decoder, &p), 0);
	assert_int_equal(plan_place(&p, arena), 0);
	check_windows(&c, &p);
	check_branches(&c, &p);
	check_moved(decoder, &p, arena);
	check_sites(decoder, &p);
	check_live(&c);
	for (uint32_t n = 0; n < p.nr_windows; n++) {
		total.islands += p.windows[n].how == PLAN_ISLAND;
		total.traps += p.windows[n].how == PLAN_INT3;
	}
	total.files++;
	total.windows += p.nr_windows;
	total.moved += p.nr_moved;
	total.sites += p.nr_sites;
	total.watched += p.counts.reason[PLAN_WATCHED];
	total.accesses += p.counts.accesses;
	total.outside += p.counts.reason[PLAN_NO_FUNCTION];
	if (getenv("FILES"))
		printf("# %s: %u accesses, %.3f %% watched, %u traps\n", path, p.counts.accesses,
		       100.0 * p.counts.reason[PLAN_WATCHED] / (p.counts.accesses ? p.counts.accesses : 1),
		       p.counts.traps);
	code_close(&c);
	plan_free(&p);
	elf_close(&m);
	return text;
}

static void test_files(void **state)
{
	(void)state;
	bool own_files = getenv("FILES") != NULL;
	char *own = own_files ? strdup(getenv("FILES")) : NULL;
	if (own) {
		for (char *f = strtok(own, " "); f; f = strtok(NULL, " "))
			one_file(f);
		free(own);
	} else {
		static const char *const dirs[] = { "/usr/lib/x86_64-linux-gnu", "/usr/bin" };
		size_t budget = (getenv("MEGABYTES") ? strtoul(getenv("MEGABYTES"), NULL, 0) : 12) << 20;
		size_t done = one_file("/proc/self/exe");
		for (unsigned d = 0; d < ARRAY_SIZE(dirs); d++) {
			size_t until = budget * (d + 1) / ARRAY_SIZE(dirs);
			DIR *dir = opendir(dirs[d]);
			for (struct dirent *e; dir && done < until && (e = readdir(dir));) {
				char path[600];
				struct stat st;
				snprintf(path, sizeof(path), "%s/%s", dirs[d], e->d_name);
				/* Small ones: many compilers and styles rather than one big program. */
				if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size < budget / 4)
					done += one_file(path);
			}
			if (dir)
				closedir(dir);
		}
	}
	printf("# %lu files, %lu accesses, %.2f %% watched (%lu outside functions), %lu windows, %lu moved, %lu sites, "
	       "%lu islands, %lu traps, "
	       "%lu lives\n",
	       total.files, total.accesses, 100.0 * (double)total.watched / (double)total.accesses, total.outside,
	       total.windows, total.moved, total.sites, total.islands, total.traps, total.lives);
	/* Libraries of hand-written code without unwind information are what they are. */
	assert_true(total.files > 0);
	assert_true(own_files || total.watched * 1000 > (total.accesses - total.outside) * 985);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_files) };
	const char *why = decoder_open(&decoder);
	if (why) {
		printf("skip test_watch_plan: %s\n", why);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
