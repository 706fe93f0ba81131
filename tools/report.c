#include "baseline.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RIPE_MS 200

void report_init(struct report *r, int fd, bool verbose)
{
	memset(r, 0, sizeof *r);
	model_init(&r->model);
	symbols_init(&r->symbols);
	names_init(&r->names, &r->symbols, verbose);
	out_init(&r->out, fd);
	r->verbose = verbose;
	r->fail_on = GRADE_POSSIBLE;
}

void report_free(struct report *r)
{
	struct fold *f, *next;
	HASH_ITER (hh, r->folds, f, next) {
		HASH_DEL(r->folds, f);
		free(f->pids);
		free(f);
	}
	free(r->fresh);
	suppressions_free(&r->suppressions);
	baseline_free(r);
	out_free(&r->out);
	names_free(&r->names);
	symbols_free(&r->symbols);
	model_free(&r->model);
}

static struct fold *fold_of(struct report *r, const struct finding *x)
{
	struct fold *f;
	struct mem *m = &r->model.mem;
	/* Without a fingerprint nothing is known to be the same. */
	const char *key = x->kind == KIND_DATA_RACE || x->kind == KIND_UNGUARDED_WRITE ? report_race_key(r, x) : NULL;
	if (!key)
		key = x->fingerprint ? mem_printf(m, "%s %s", x->kind_slug, x->fingerprint)
				     : mem_printf(m, "%s #%zu", x->kind_slug, r->next);
	HASH_FIND_STR(r->folds, key, f);
	if (!f) {
		f = mem_alloc(sizeof *f);
		f->key = key;
		f->first = x;
		HASH_ADD_KEYPTR(hh, r->folds, f->key, strlen(f->key), f);
	}
	f->count++;
	for (size_t i = 0; i < f->nr_pids; i++)
		if (f->pids[i] == x->section->pid)
			return f;
	*MEM_PUSH(f->pids, f->nr_pids, f->cap_pids) = x->section->pid;
	return f;
}

bool report_is_news(const struct report *r, const struct fold *f)
{
	return !f->rule && !f->known && ((f->first->grade > GRADE_ADVICE && !f->covered) || r->verbose);
}

/* The same locks, in whatever order. */
static bool same_locks(const struct finding *a, const struct finding *b)
{
	if (a->section != b->section || a->nr_locks != b->nr_locks)
		return false;
	for (unsigned i = 0; i < a->nr_locks; i++) {
		bool there = false;
		for (unsigned k = 0; k < b->nr_locks; k++)
			there |= a->locks[i] == b->locks[k];
		if (!there)
			return false;
	}
	return true;
}

/* The order of locks in which a deadlock came about was wrong; to say it a second time makes a long report longer. */
static void cover(struct report *r, struct fold *f)
{
	if (f->first->kind != KIND_LOCK_ORDER)
		return;
	for (const struct fold *d = r->folds; d && !f->covered; d = d->hh.next)
		if (d->first->kind == KIND_DEADLOCK && d->first->grade == GRADE_CONFIRMED && !d->rule &&
		    same_locks(d->first, f->first))
			f->covered = d;
}

static int surest_first(const void *a, const void *b)
{
	const struct fold *x = *(struct fold *const *)a, *y = *(struct fold *const *)b;
	if (x->first->grade != y->first->grade)
		return y->first->grade - x->first->grade;
	return x->number < y->number ? -1 : x->number > y->number;
}

/* A deadlock is often announced by its own lock order, a moment before: that moment is waited for. */
static bool unripe(struct report *r)
{
	bool order = false;
	for (size_t i = r->next; i < r->model.nr_findings; i++) {
		if (r->model.findings[i]->kind == KIND_DEADLOCK)
			return false;
		order |= r->model.findings[i]->kind == KIND_LOCK_ORDER;
	}
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	long now = t.tv_sec * 1000 + t.tv_nsec / 1000000 + 1;
	if (order && !r->unripe_since)
		r->unripe_since = now;
	return order && now - r->unripe_since < RIPE_MS;
}

bool report_waits(const struct report *r) { return r->unripe_since != 0; }

void report_new(struct report *r, void (*show)(struct report *, const struct fold *), bool at_end)
{
	if (!at_end && unripe(r))
		return;
	r->unripe_since = 0;
	for (; r->next < r->model.nr_findings; r->next++) {
		const struct finding *x = r->model.findings[r->next];
		if (x->section->foreign || report_race_atomic(r, x))
			continue;
		struct fold *f = fold_of(r, x);
		if (f->count > 1)
			continue;
		f->number = r->next;
		f->rule = suppressions_match(&r->suppressions, &r->names, x);
		f->known = !f->rule && baseline_has(r, x);
		*MEM_PUSH(r->fresh, r->nr_fresh, r->cap_fresh) = f;
	}
	if (r->nr_fresh > 1)
		qsort(r->fresh, r->nr_fresh, sizeof *r->fresh, surest_first);
	for (size_t i = 0; i < r->nr_fresh; i++) {
		cover(r, r->fresh[i]);
		if (show && report_is_news(r, r->fresh[i]))
			show(r, r->fresh[i]);
	}
	r->nr_fresh = 0;
}

void report_count(const struct report *r, struct report_counts *c)
{
	memset(c, 0, sizeof *c);
	for (const struct fold *f = r->folds; f; f = f->hh.next) {
		if (f->rule) {
			c->suppressed++;
			continue;
		}
		if (f->known) {
			c->known++;
			continue;
		}
		if ((enum grade)f->first->grade >= r->fail_on)
			c->failing++;
		if (f->first->grade == GRADE_ADVICE) {
			c->advice++;
			continue;
		}
		c->findings++;
		c->covered += f->covered && !r->verbose;
		c->repeated += f->count - 1;
		c->by_kind[f->first->kind >= 0 ? f->first->kind : NR_KINDS]++;
	}
}
