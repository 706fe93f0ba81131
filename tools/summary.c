/* summary.c - What the whole tree of processes comes to, in a few lines. */
#include "baseline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* ---- what has to be said always ---------------------------------------------------------------------------------- */

struct said {
	const char *text;
	uint64_t count, processes;
	bool degraded;
	UT_hash_handle hh;
};

static void put_stats(struct report *r)
{
	struct said *all = NULL, *x, *next;
	for (size_t i = 0; i < r->model.nr_sections; i++) {
		const struct section *s = r->model.sections[i];
		for (size_t k = 0; !s->foreign && k < s->nr_notes; k++) {
			HASH_FIND_STR(all, s->notes[k].text, x);
			if (!x) {
				x = mem_alloc(sizeof *x);
				x->text = s->notes[k].text;
				x->degraded = s->notes[k].degraded;
				HASH_ADD_KEYPTR(hh, all, x->text, strlen(x->text), x);
			}
			x->count += s->notes[k].count;
			x->processes++;
		}
	}
	HASH_ITER (hh, all, x, next) {
		out_put(&r->out, OUT_PLAIN, "snarl: %s%s", x->degraded ? "degraded: " : "note: ", x->text);
		if (x->count)
			out_put(&r->out, OUT_PLAIN, ": %llu", (unsigned long long)x->count);
		if (x->processes > 1)
			out_put(&r->out, OUT_PLAIN, " (%llu processes)", (unsigned long long)x->processes);
		out_put(&r->out, OUT_PLAIN, "\n");
		HASH_DEL(all, x);
		free(x);
	}
}

/* An image that exec replaced, and nothing of what came after it. */
static bool lost_by_exec(const struct report *r, const struct section *s)
{
	return s->over && s->reason && strcmp(s->reason, "exec") == 0 && !model_continued(&r->model, s);
}

bool summary_incomplete(const struct report *r, const struct section *s)
{
	return !s->foreign && ((s->has_header && !s->over && !model_continued(&r->model, s)) || lost_by_exec(r, s));
}

/* The process itself, not one that got its number later. */
static bool lives(const struct section *s)
{
	char link[64], exe[4096];
	snprintf(link, sizeof link, "/proc/%llu/exe", (unsigned long long)s->pid);
	ssize_t n = readlink(link, exe, sizeof exe - 1);
	if (n <= 0 || !s->exe)
		return false;
	exe[n] = '\0';
	return strcmp(exe, s->exe) == 0;
}

static void put_ends(struct report *r, const struct summary_hints *h)
{
	for (size_t i = 0; i < r->model.nr_sections; i++) {
		const struct section *s = r->model.sections[i];
		unsigned long long pid = s->pid;
		if (!summary_incomplete(r, s))
			continue;
		if (lost_by_exec(r, s)) {
			if (h->child == s->pid || r->verbose)
				out_put(&r->out, OUT_PLAIN,
					"snarl: process %llu (%s) went on as another program, and that one did not "
					"answer\n",
					pid, model_program(s));
			continue;
		}
		out_put(&r->out, OUT_PLAIN, "snarl: process %llu (%s) %s\n", pid, model_program(s),
			lives(s) ? "still runs; what it does from now on is not reported"
				 : "ended without a goodbye (killed?)");
	}
}

static void put_damage(struct report *r)
{
	size_t nr = r->model.nr_damages, most = r->verbose ? nr : 10;
	for (size_t i = 0; i < nr && i < most; i++) {
		const struct damage *d = &r->model.damages[i];
		out_put(&r->out, OUT_PLAIN, "snarl: damaged: %s, byte %llu: %s\n", d->file,
			(unsigned long long)d->offset, d->reason);
	}
	if (nr > most)
		out_put(&r->out, OUT_PLAIN, "snarl: damaged: %zu more lines (--verbose names them)\n", nr - most);
}

static void put_rules(struct report *r)
{
	for (size_t i = 0; i < r->suppressions.nr; i++) {
		const struct suppression *x = &r->suppressions.rules[i];
		if (x->expired)
			out_put(&r->out, OUT_PLAIN, "snarl: suppression expired on %s and not applied: %s:%u: %s\n",
				x->until, x->file, x->line, x->text);
		else if (r->verbose && !x->uses && x->kinds)
			out_put(&r->out, OUT_PLAIN, "snarl: suppression not used: %s:%u: %s\n", x->file, x->line,
				x->text);
	}
	if (r->verbose && r->has_baseline && baseline_unseen(r))
		out_put(&r->out, OUT_PLAIN, "snarl: of the baseline, %llu did not come up again\n",
			(unsigned long long)baseline_unseen(r));
}

void summary_notes(struct report *r)
{
	report_text_rest(r);
	put_stats(r);
	put_damage(r);
	put_rules(r);
}

/* ---- the last line ----------------------------------------------------------------------------------------------- */

struct totals {
	uint64_t locks, edges, cycles, threads, sites, watched, elsewhere, processes, incomplete;
	bool child_answered;
};

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static struct totals totals_of(const struct report *r, const struct summary_hints *h)
{
	struct totals t = { 0 };
	uint64_t *pids = mem_alloc(r->model.nr_sections * sizeof *pids);
	size_t nr = 0;
	for (size_t i = 0; i < r->model.nr_sections; i++) {
		const struct section *s = r->model.sections[i];
		if (s->foreign)
			continue;
		t.locks += s->end_locks;
		t.edges += s->end_edges;
		t.cycles += s->end_cycles;
		t.threads += s->end_threads;
		t.sites += s->end_sites;
		t.watched += s->end_watched;
		t.elsewhere += s->end_elsewhere;
		t.incomplete += summary_incomplete(r, s) && !(lost_by_exec(r, s) && s->pid != h->child);
		t.child_answered |= s->has_header && s->pid == h->child;
		if (s->has_header)
			pids[nr++] = s->pid;
	}
	if (nr)
		qsort(pids, nr, sizeof *pids, by_number);
	for (size_t i = 0; i < nr; i++)
		t.processes += i == 0 || pids[i] != pids[i - 1];
	free(pids);
	return t;
}

static void put_findings(struct report *r, const struct report_counts *c)
{
	struct out *o = &r->out;
	const char *sep = "";
	out_put(o, OUT_ALARM, "%llu %sfinding%s", (unsigned long long)c->findings, r->has_baseline ? "new " : "", plural(c->findings));
	out_put(o, OUT_PLAIN, " (");
	for (int k = 0; k <= NR_KINDS; k++) {
		if (!c->by_kind[k])
			continue;
		out_put(o, OUT_PLAIN, "%s%s", sep, k < NR_KINDS ? kind_facts[k].slug : "unknown kind");
		if (c->by_kind[k] > 1)
			out_put(o, OUT_PLAIN, ": %llu", (unsigned long long)c->by_kind[k]);
		sep = ", ";
	}
	out_put(o, OUT_PLAIN, ")");
	if (c->covered)
		out_put(o, OUT_PLAIN, "; the lock-order finding%s of the same locks as a deadlock %s not shown again",
			plural(c->covered), c->covered == 1 ? "is" : "are");
	if (c->repeated)
		out_put(o, OUT_PLAIN, ", found %llu more time%s", (unsigned long long)c->repeated, plural(c->repeated));
}

static const char *grouped(uint64_t n, char buf[32])
{
	char plain[24];
	int len = snprintf(plain, sizeof plain, "%llu", (unsigned long long)n), to = 0;
	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			buf[to++] = ',';
		buf[to++] = plain[i];
	}
	buf[to] = '\0';
	return buf;
}

/* How much of the program data races were looked for in: cut, not rounded, so that only all is 100 %. */
static void put_coverage(struct report *r, const struct totals *t)
{
	char buf[32];
	if (!t->sites)
		return;
	uint64_t tenths = t->watched * 1000 / t->sites;
	out_put(&r->out, OUT_PLAIN, "; %s access site%s watched, coverage %llu.%llu %%", grouped(t->watched, buf), plural(t->watched),
		(unsigned long long)tenths / 10, (unsigned long long)tenths % 10);
	if (t->elsewhere)
		out_put(&r->out, OUT_PLAIN, "; %s not counted, in code that the program runs at another address than where it was loaded",
			grouped(t->elsewhere, buf));
}

static void put_clean(struct report *r, const struct totals *t)
{
	struct out *o = &r->out;
	out_put(o, OUT_GOOD, "no %sproblems found%s", r->has_baseline ? "new " : "", t->incomplete ? " in what was seen" : "");
	out_put(o, OUT_PLAIN, ": %llu lock%s, %llu edge%s, ", (unsigned long long)t->locks, plural(t->locks),
		(unsigned long long)t->edges, plural(t->edges));
	if (t->cycles)
		out_put(o, OUT_PLAIN, "%llu cycle%s", (unsigned long long)t->cycles, plural(t->cycles));
	else
		out_put(o, OUT_PLAIN, "no cycle");
	out_put(o, OUT_PLAIN, "; %llu thread%s", (unsigned long long)t->threads, plural(t->threads));
	if (t->processes > 1)
		out_put(o, OUT_PLAIN, "; %llu processes", (unsigned long long)t->processes);
	put_coverage(r, t);
}

void summary_text(struct report *r, const struct summary_hints *h)
{
	struct out *o = &r->out;
	struct totals t = totals_of(r, h);
	struct report_counts c;
	report_count(r, &c);
	put_ends(r, h);
	out_put(o, OUT_PLAIN, "snarl: ");
	if (c.findings)
		put_findings(r, &c);
	else if (h->child && !t.child_answered)
		out_put(o, OUT_ALARM, "no process answered: %s", t.processes ? "the program itself was not watched" : "nothing was watched");
	else if (t.processes == 0)
		out_put(o, OUT_ALARM, "nothing was recorded");
	else
		put_clean(r, &t);
	if (c.findings && h->child && !t.child_answered)
		out_put(o, OUT_PLAIN, "; the program itself did not answer");
	if (c.known)
		out_put(o, OUT_PLAIN, "; %llu known from the baseline", (unsigned long long)c.known);
	if (c.suppressed)
		out_put(o, OUT_PLAIN, "; %llu suppressed", (unsigned long long)c.suppressed);
	if (c.advice)
		out_put(o, OUT_PLAIN, "; %llu piece%s of advice%s", (unsigned long long)c.advice, plural(c.advice),
			r->verbose ? "" : " (--verbose shows them)");
	if (c.findings)
		put_coverage(r, &t);
	out_put(o, OUT_PLAIN, "\n");
}
