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

static const struct decoder *decoder;
static struct {
	unsigned long files, windows, moved, sites, islands, traps, watched, accesses, outside, lives;
} total;

/* ---- windows ---- */

static void check_windows(const struct code *c, const struct plan *p)
{
	uint32_t end = 0;
	for (uint32_t n = 0; n < p->nr_windows; n++) {
		const struct plan_window *w = &p->windows[n];
		assert_true(w->at >= end && w->to >= p->sites_at && w->to < p->image_bytes);
		end = w->at + w->len;
		assert_true(end <= c->span && w->len >= 1 && w->len <= 5);
		for (uint32_t k = w->how != PLAN_ISLAND; k < w->len; k++)
			if (bit_get(c->target, w->at + k))
				fail_msg("a patch at %#lx covers the target %#lx", p->base + w->at,
					 p->base + w->at + k);
		if (w->how == PLAN_JMP2) {
			const struct plan_window *island =
			    plan_window_at(p, p->base + w->at + 2 + (uintptr_t)(intptr_t)(int8_t)w->patch[1]);
			assert_true(island && island->how == PLAN_ISLAND && island->to == w->to);
			assert_int_equal(p->base + w->at + 2 + (uintptr_t)(intptr_t)(int8_t)w->patch[1],
					 p->base + island->at);
		}
		total.islands += w->how == PLAN_ISLAND;
		total.traps += w->how == PLAN_INT3;
	}
	uint32_t sum = 0;
	for (unsigned r = 0; r < PLAN_REASONS; r++)
		sum += p->counts.reason[r];
	assert_int_equal(sum, p->counts.accesses);
}

/* ---- moved instructions ---- */

static uintptr_t goal_of(const struct insn *i, uintptr_t at)
{
	return at + i->len + (uintptr_t)(intptr_t)i->disp;
}

/* A branch in the image leads where the original led: there, or to the copy of it. */
static bool leads_to(const struct plan *p, uintptr_t arena, uintptr_t goal, uintptr_t want)
{
	const struct plan_window *w = plan_window_at(p, want);
	return goal == want || (w && p->base + w->at == want && goal == arena + w->to);
}

static bool same_insn(const struct plan *p, uintptr_t arena, const struct insn *old, const struct insn *new,
		      uint32_t at)
{
	const uint8_t *a = (const uint8_t *)(p->base + old->at), *b = p->image + at;
	if (old->kind == INSN_JCC || old->kind == INSN_JMP)
		return new->kind == old->kind &&new->reads ==
		       old->reads &&leads_to(p, arena, goal_of(new, arena + at), goal_of(old, p->base + old->at));
	if (old->len != new->len || old->kind != new->kind)
		return false;
	if (old->base != BASE_RIP)
		return memcmp(a, b, old->len) == 0;
	return memcmp(a, b, old->disp_at) == 0 &&
	       memcmp(a + old->disp_at + 4, b + old->disp_at + 4, old->len - old->disp_at - 4u) == 0 &&
	       goal_of(new, arena + at) == goal_of(old, p->base + old->at);
}

/* Behind its check and others' stands the same instruction again. */
static void check_moved(const struct plan *p, uintptr_t arena)
{
	uint32_t from = 0, to = 0;
	for (uint32_t n = 0; n < p->nr_moved; n++) {
		const struct plan_moved *m = &p->moved[n];
		assert_true((n == 0 || m->from > from) && m->to >= to);
		from = m->from;
		to = m->to;
		struct insn old = { .at = m->from }, new = { .at = 0 };
		assert_true(decoder->decode(decoder, (const uint8_t *)(p->base + m->from), 16, &old));
		if (old.kind == INSN_CALL_FAR)
			continue;
		uint32_t at = m->to, steps = 0;
		for (;; at += new.len) {
			if (steps++ > 1000 || at >= p->image_bytes ||
			    !decoder->decode(decoder, p->image + at, p->image_bytes - at, &new))
				fail_msg("%#lx is not at its new place %#x", p->base + m->from, m->to);
			if (same_insn(p, arena, &old, &new, at))
				break;
		}
		if (n + 1 < p->nr_moved && at >= p->moved[n + 1].to)
			fail_msg("%#lx is behind the one after it", p->base + m->from);
	}
}

/* ---- stubs ---- */

static void check_sites(const struct plan *p)
{
	const struct watch_site *s = (const struct watch_site *)(p->image + p->sites_at);
	for (uint32_t n = 0; n < p->nr_sites; n++) {
		uint32_t at = p->ways[n].stub, calls = 0;
		int64_t rsp = 0;
		assert_true(s[n].check >= p->sites_at && s[n].check < p->image_bytes && at >= s[n].check);
		assert_true(p->ways[n].resume > s[n].check && p->ways[n].resume < p->image_bytes);
		for (;;) {
			struct insn i = { .at = 0 };
			const uint8_t *b = p->image + at;
			if (at == p->ways[n].resume && rsp == 0 && calls)
				break;
			assert_true(decoder->decode(decoder, b, p->image_bytes - at, &i));
			at += i.len;
			if (i.kind == INSN_JMP) {
				assert_int_equal(at + (uint32_t)i.disp, p->ways[n].resume);
				break;
			}
			if (i.kind == INSN_CALL_FAR) {
				assert_int_equal(rsp, -144);
				calls++;
			} else if ((i.is & INSN_LEA) && (i.changes >> RSP & 1)) {
				assert_int_equal(i.base, RSP);
				rsp += i.disp;
			} else if (i.changes >> RSP & 1) {
				rsp += i.is & INSN_MOV64 ? 8 : -8;
			} else {
				assert_true(i.changes == 1u << RDI || i.changes == 1u << RSI);
			}
			assert_true(rsp == 0 || rsp <= -128);
		}
		assert_int_equal(rsp, 0);
		assert_int_equal(calls, 1);
	}
}

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
			if (!flag || i->kind == INSN_JMP_FAR)
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
	check_moved(&p, arena);
	check_sites(&p);
	check_live(&c);
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
