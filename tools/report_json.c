/* report_json.c - Findings as JSON: the words of the journal, with symbols in them. */
#include "baseline.h"

#include <stdio.h>
#include <string.h>

#include "utf8.h"
#include "wire/journal.h"

static json_t *str(const char *text)
{
	if (!text)
		return json_null();
	json_t *v = json_string(text);
	if (v)
		return v;
	char *clean = mem_alloc(3 * strlen(text) + 1);
	utf8_repair(clean, text, strlen(text));
	v = json_string(clean);
	free(clean);
	return v;
}

static json_t *num(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *hex(uint64_t n)
{
	char text[24];
	snprintf(text, sizeof text, "0x%llx", (unsigned long long)n);
	return json_string(text);
}

static void set(json_t *o, const char *key, json_t *v)
{
	json_object_set_new(o, key, v);
}

static json_t *frame(const struct frame *f)
{
	json_t *o = json_object();
	const char *state = f->state == SYMBOLS_CHANGED   ? "changed"
			    : f->state == SYMBOLS_STRANGE ? "unreadable"
							  : "missing";
	set(o, "function", str(f->place.function));
	set(o, "file", str(f->place.file));
	set(o, "line", f->place.line ? num(f->place.line) : json_null());
	set(o, "inline", json_boolean(f->place.inlined));
	set(o, "module", str(f->module ? f->module->path : NULL));
	set(o, "build_id", str(f->module ? f->module->build_id : NULL));
	set(o, "offset", num(f->offset));
	set(o, "exact", json_boolean(f->exact));
	if (f->interpreted)
		set(o, "interpreted", json_true());
	if (f->place.linkage)
		set(o, "linkage", str(f->place.linkage));
	if (f->module && f->state != SYMBOLS_READY)
		set(o, "symbols", json_string(state));
	return o;
}

static json_t *stack(struct report *r, struct section *s, uint64_t id)
{
	const struct trace *t = trace_get(&r->symbols, s, id);
	if (!t)
		return json_null();
	json_t *o = json_object(), *frames = json_array();
	set(o, "id", num(id));
	set(o, "cut", json_boolean(t->cut));
	set(o, "site", trace_site(t) ? num(t->site) : json_null());
	for (unsigned i = 0; i < t->nr; i++)
		json_array_append_new(frames, frame(&t->frames[i]));
	set(o, "frames", frames);
	return o;
}

static json_t *hold(struct report *r, struct section *s, const struct hold *h)
{
	json_t *o = json_object();
	set(o, "lock", num(h->lock));
	set(o, "name", str(names_lock(&r->names, s, h->lock)));
	set(o, "mode", json_string(h->mode));
	set(o, "stack", stack(r, s, h->stack));
	return o;
}

static json_t *want(struct report *r, struct section *s, const struct want *w)
{
	json_t *o = json_object();
	if (w->lock) {
		set(o, "lock", num(w->lock));
		set(o, "name", str(names_lock(&r->names, s, w->lock)));
	} else {
		set(o, "thread", num(w->thread));
	}
	set(o, "mode", json_string(w->mode));
	set(o, "how", str(w->how));
	set(o, "call", str(w->call));
	set(o, "stack", stack(r, s, w->stack));
	return o;
}

static json_t *party(struct report *r, struct section *s, const struct party *p)
{
	const struct thread *t = model_thread(s, p->thread);
	json_t *o = json_object(), *holds = json_array();
	set(o, "thread", num(p->thread));
	set(o, "role", str(p->role));
	set(o, "tid", t ? num(t->tid) : json_null());
	set(o, "name", str(t ? t->name : NULL));
	set(o, "parent", t ? num(t->parent) : json_null());
	set(o, "created", t ? stack(r, s, t->created) : json_null());
	if (p->stack)
		set(o, "stack", stack(r, s, p->stack));
	if (p->wants_any)
		set(o, "wants", want(r, s, &p->wants));
	for (unsigned h = 0; h < p->nr_holds; h++)
		json_array_append_new(holds, hold(r, s, &p->holds[h]));
	set(o, "holds", holds);
	if (p->access.size) {
		json_t *a = json_object();
		set(a, "op", json_string(p->access.write ? "write" : "read"));
		set(a, "size", num(p->access.size));
		set(a, "address", hex(p->access.address));
		if (p->access.freed)
			set(a, "freed", json_true());
		set(o, "access", a);
	}
	return o;
}

static json_t *place(struct report *r, const struct finding *f)
{
	const struct place *p = &f->place;
	json_t *o = json_object();
	set(o, "what", str(p->what));
	set(o, "name", str(names_datum(&r->names, f)));
	set(o, "address", hex(p->address));
	set(o, "symbol", str(p->symbol));
	set(o, "file", str(p->file));
	set(o, "line", p->line ? num(p->line) : json_null());
	if (p->start) {
		set(o, "start", hex(p->start));
		set(o, "size", num(p->size));
		set(o, "stack", stack(r, f->section, p->stack));
	}
	if (p->thread)
		set(o, "thread", num(p->thread));
	return o;
}

static json_t *lock(struct report *r, struct section *s, uint64_t id)
{
	const struct lock *l = model_lock(s, id);
	const struct lock_name *n = names_lock_facts(&r->names, s, id);
	json_t *o = json_object(), *attrs = json_array();
	set(o, "id", num(id));
	set(o, "name", str(n->text));
	set(o, "kind", str(l ? l->kind_slug : NULL));
	set(o, "address", l ? hex(l->address) : json_null());
	set(o, "symbol", str(n->symbol));
	set(o, "file", str(n->file));
	set(o, "line", n->line ? num(n->line) : json_null());
	for (unsigned i = 0; l && i < l->nr_attrs; i++)
		json_array_append_new(attrs, str(l->attrs[i]));
	set(o, "attrs", attrs);
	set(o, "contended", num(l ? l->contended : 0));
	set(o, "init", l ? stack(r, s, l->init) : json_null());
	set(o, "first", l ? stack(r, s, l->first) : json_null());
	return o;
}

json_t *report_json_finding(struct report *r, const struct fold *fold)
{
	const struct finding *f = fold->first;
	struct section *s = f->section;
	json_t *o = json_object(), *pids = json_array(), *threads = json_array(), *locks = json_array();
	set(o, "type", json_string("finding"));
	set(o, "kind", str(f->kind_slug));
	set(o, "grade", json_string(grade_slugs[f->grade]));
	set(o, "fingerprint", str(f->fingerprint));
	set(o, "identity", str(identity_of(&r->names, f)));
	set(o, "title", str(f->kind >= 0 ? kind_facts[f->kind].title : NULL));
	set(o, "message", str(f->message));
	set(o, "fix", str(f->kind >= 0 ? kind_facts[f->kind].fix : NULL));
	set(o, "program", str(model_program(s)));
	set(o, "exe", str(s->exe));
	set(o, "pid", num(s->pid));
	set(o, "count", num(fold->count));
	for (size_t i = 0; i < fold->nr_pids; i++)
		json_array_append_new(pids, num(fold->pids[i]));
	set(o, "pids", pids);
	if (f->call)
		set(o, "call", str(f->call));
	if (f->error)
		set(o, "error", str(f->error));
	if (f->signal)
		set(o, "signal", str(f->signal));
	for (unsigned i = 0; i < f->nr_parties; i++)
		json_array_append_new(threads, party(r, s, &f->parties[i]));
	set(o, "threads", threads);
	for (unsigned i = 0; i < f->nr_locks; i++)
		json_array_append_new(locks, lock(r, s, f->locks[i]));
	set(o, "locks", locks);
	if (f->place.what)
		set(o, "place", place(r, f));
	if (f->chance)
		set(o, "chance", json_true());
	if (f->usual.all) {
		json_t *u = json_object();
		set(u, "lock", lock(r, s, f->usual.lock));
		set(u, "held", num(f->usual.held));
		set(u, "of", num(f->usual.all));
		set(o, "usual", u);
	}
	set(o, "suppression", str(suppressions_line(&r->names, f)));
	if (fold->rule) {
		json_t *rule = json_object();
		set(rule, "file", str(fold->rule->file));
		set(rule, "line", num(fold->rule->line));
		set(rule, "text", str(fold->rule->text));
		set(rule, "reason", str(fold->rule->reason));
		set(o, "suppressed_by", rule);
	}
	return o;
}

static json_t *process(const struct report *r, const struct section *s)
{
	json_t *o = json_object(), *args = json_array(), *notes = json_array();
	set(o, "pid", num(s->pid));
	set(o, "ppid", num(s->ppid));
	set(o, "program", str(model_program(s)));
	set(o, "exe", str(s->exe));
	for (unsigned i = 0; i < s->nr_args; i++)
		json_array_append_new(args, str(s->args[i]));
	set(o, "args", args);
	set(o, "start", num(s->start));
	set(o, "arch", str(s->arch));
	set(o, "snarl", str(s->version));
	set(o, "journal", str(s->file));
	set(o, "ended", json_boolean(s->over));
	set(o, "complete", json_boolean(!summary_incomplete(r, s)));
	set(o, "reason", str(s->reason));
	set(o, "locks", num(s->end_locks));
	set(o, "edges", num(s->end_edges));
	set(o, "cycles", num(s->end_cycles));
	set(o, "threads", num(s->end_threads));
	if (s->end_sites) {
		set(o, "sites", num(s->end_sites));
		set(o, "watched", num(s->end_watched));
		if (s->end_elsewhere)
			set(o, "elsewhere", num(s->end_elsewhere));
	}
	for (size_t i = 0; i < s->nr_notes; i++) {
		json_t *note = json_object();
		set(note, s->notes[i].degraded ? "degraded" : "note", str(s->notes[i].text));
		set(note, "count", num(s->notes[i].count));
		json_array_append_new(notes, note);
	}
	set(o, "stats", notes);
	return o;
}

json_t *report_json(struct report *r)
{
	json_t *o = json_object(), *processes = json_array(), *findings = json_array(), *silenced = json_array(), *known = json_array(),
	       *damaged = json_array(), *summary = json_object();
	struct report_counts c;
	report_count(r, &c);
	for (size_t i = 0; i < r->model.nr_sections; i++)
		json_array_append_new(processes, process(r, r->model.sections[i]));
	for (const struct fold *f = r->folds; f; f = f->hh.next)
		json_array_append_new(f->rule ? silenced : f->known ? known : findings, report_json_finding(r, f));
	for (size_t i = 0; i < r->model.nr_damages; i++) {
		json_t *d = json_object();
		set(d, "file", str(r->model.damages[i].file));
		set(d, "offset", num(r->model.damages[i].offset));
		set(d, "reason", str(r->model.damages[i].reason));
		json_array_append_new(damaged, d);
	}
	set(summary, "findings", num(c.findings));
	set(summary, "advice", num(c.advice));
	set(summary, "suppressed", num(c.suppressed));
	set(summary, "known", num(c.known));
	set(summary, "failing", num(c.failing));
	set(summary, "damaged", num(r->model.nr_damages));
	set(o, "format", num(JOURNAL_FORMAT));
	set(o, "snarl", json_string(SNARL_VERSION));
	set(o, "summary", summary);
	set(o, "findings", findings);
	set(o, "suppressed", silenced);
	set(o, "known", known);
	set(o, "processes", processes);
	set(o, "damaged", damaged);
	return o;
}
