/* report_ring.c - Rings of threads: who wants what the next one holds, and how it came to that. */
#include "report.h"

#include <stdlib.h>
#include <string.h>

#include "utf8.h"

#define MAX_COLUMNS 6

bool report_is_ring(const struct finding *f)
{
	if (f->nr_parties == 0 || f->kind == KIND_STALL)
		return false;
	for (unsigned i = 0; i < f->nr_parties; i++) {
		const struct party *p = &f->parties[i];
		if (!p->wants_any || (strcmp(p->role, "waiter") != 0 && strcmp(p->role, "chain") != 0))
			return false;
	}
	return true;
}

const struct hold *report_ring_hold(const struct finding *f, unsigned party)
{
	const struct party *p = &f->parties[party];
	const struct party *before = &f->parties[(party + f->nr_parties - 1) % f->nr_parties];
	for (unsigned h = 0; before->wants.lock && h < p->nr_holds; h++)
		if (p->holds[h].lock == before->wants.lock)
			return &p->holds[h];
	return NULL;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

struct step {
	unsigned column;
	const char *text, *place;
};

static const char *lock_call(struct report *r, const struct finding *f, uint64_t lock, const char *mode,
			     const char *call)
{
	const struct lock *l = model_lock(f->section, lock);
	const char *verb = "lock";
	if (l && l->kind == LOCK_RWLOCK)
		verb = strcmp(mode, "read") == 0 ? "read-lock" : "write-lock";
	else if (l &&
		 (l->kind == LOCK_SEM || l->kind == LOCK_COND || l->kind == LOCK_C11_COND || l->kind == LOCK_BARRIER))
		verb = "wait";
	else if (call && strstr(call, "cond_"))
		verb = "lock again";
	return mem_printf(&r->names.mem, "%s(%s)", verb, names_lock(&r->names, f->section, lock));
}

static unsigned steps_of(struct report *r, const struct finding *f, struct step *steps)
{
	unsigned nr = 0;
	for (unsigned i = 0; i < f->nr_parties; i++) {
		const struct hold *h = report_ring_hold(f, i);
		if (h)
			steps[nr++] = (struct step){ i, lock_call(r, f, h->lock, h->mode, NULL),
						     names_site(&r->names, f->section, h->stack) };
	}
	for (unsigned i = 0; i < f->nr_parties; i++) {
		const struct want *w = &f->parties[i].wants;
		steps[nr++] =
		    (struct step){ i,
				   w->lock ? lock_call(r, f, w->lock, w->mode, w->call)
					   : mem_printf(&r->names.mem, "join(%s)",
							names_thread(&r->names, f->section, w->thread, false)),
				   names_site(&r->names, f->section, w->stack) };
	}
	return nr;
}

static void put_line(struct report *r, const struct step *s, size_t column)
{
	struct out *o = &r->out;
	out_column(o, column);
	out_put(o, OUT_LOCK, "%s", s->text);
	out_put(o, OUT_PLACE, "  %s\n", s->place);
}

void report_text_scenario(struct report *r, const struct finding *f)
{
	struct out *o = &r->out;
	if (f->nr_parties < 2 || f->nr_parties > MAX_COLUMNS)
		return;
	struct step *steps = mem_alloc(2 * f->nr_parties * sizeof *steps);
	size_t width[MAX_COLUMNS], total = 2;
	unsigned nr = steps_of(r, f, steps);
	for (unsigned i = 0; i < f->nr_parties; i++) {
		width[i] = utf8_width(names_thread(&r->names, f->section, f->parties[i].thread, false));
		for (unsigned k = 0; k < nr; k++) {
			size_t w = utf8_width(steps[k].text) + 2 + utf8_width(steps[k].place);
			if (steps[k].column == i && w > width[i])
				width[i] = w;
		}
		total += width[i] + 3;
	}
	out_put(o, OUT_BOLD, "%s\n", f->grade == GRADE_CONFIRMED ? "How it happened:" : "How it can happen:");
	bool table = total <= o->columns + 3;
	size_t at = 2;
	for (unsigned i = 0; table && i < f->nr_parties; at += width[i++] + 3) {
		out_column(o, at);
		out_put(o, OUT_BOLD, "%s", names_thread(&r->names, f->section, f->parties[i].thread, false));
	}
	if (table)
		out_put(o, OUT_PLAIN, "\n");
	for (unsigned k = 0; k < nr; k++) {
		at = 2;
		for (unsigned i = 0; i < steps[k].column; i++)
			at += width[i] + 3;
		if (!table)
			out_put(o, OUT_PLAIN, "  %s:",
				names_thread(&r->names, f->section, f->parties[steps[k].column].thread, false));
		put_line(r, &steps[k], table ? at : 3);
	}
	out_put(o, OUT_ALARM, "  *** deadlock ***\n");
	free(steps);
}
