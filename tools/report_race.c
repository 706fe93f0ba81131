/* report_race.c - Data races as text: two accesses, what lies there, and what kept them apart: nothing. */
#include "report.h"

#include <string.h>

static const char *thread(struct report *r, const struct finding *f, uint64_t id)
{
	return id ? names_thread(&r->names, f->section, id, false) : "a thread";
}

static bool common_lock(const struct finding *f)
{
	const struct party *a = &f->parties[0], *b = &f->parties[1];
	for (unsigned i = 0; i < a->nr_holds; i++)
		for (unsigned k = 0; k < b->nr_holds; k++)
			if (a->holds[i].lock == b->holds[k].lock)
				return true;
	return false;
}

static void put_locks(struct report *r, const struct finding *f, const struct party *p)
{
	struct out *o = &r->out;
	if (!p->nr_holds)
		out_put(o, OUT_PLAIN, ", holding no lock");
	for (unsigned h = 0; h < p->nr_holds; h++) {
		out_put(o, OUT_PLAIN, h == 0 ? ", holding " : h + 1 < p->nr_holds ? ", " : " and ");
		out_put(o, OUT_LOCK, "%s", names_lock(&r->names, f->section, p->holds[h].lock));
		const struct lock *l = model_lock(f->section, p->holds[h].lock);
		if (l && l->kind == LOCK_RWLOCK && strcmp(p->holds[h].mode, "read") == 0)
			out_put(o, OUT_PLAIN, " (to read)");
	}
}

/* Where, and what of a library was called there. */
static void put_site(struct report *r, const struct finding *f, const struct party *p)
{
	struct out *o = &r->out;
	const struct trace *t = trace_get(&r->symbols, f->section, p->stack);
	if (!t)
		return;
	out_put(o, OUT_PLACE, " (%s", names_place(&r->names, trace_site(t)));
	const struct frame *through = t->site && t->site < t->nr ? &t->frames[t->site - 1] : NULL;
	if (through && through->role == FRAME_WRAPPER && through->place.function)
		out_put(o, OUT_PLAIN, ", in %s", report_function(r, through->place.function));
	out_put(o, OUT_PLACE, ")");
}

static void put_usual(struct report *r, const struct finding *f, const struct party *guarded)
{
	struct out *o = &r->out;
	out_put(o, OUT_PLAIN, "  It is usually guarded by ");
	out_put(o, OUT_LOCK, "%s", names_lock(&r->names, f->section, f->usual.lock));
	out_put(o, OUT_PLAIN, ": held in %llu of %llu %s so far", (unsigned long long)f->usual.held, (unsigned long long)f->usual.all,
		guarded ? "writes" : "accesses");
	if (guarded) {
		out_put(o, OUT_PLAIN, ", as by %s", names_thread(&r->names, f->section, guarded->thread, false));
		if (model_stack(f->section, guarded->stack))
			out_put(o, OUT_PLACE, " (%s)", names_site(&r->names, f->section, guarded->stack));
	}
	out_put(o, OUT_PLAIN, ".\n");
}

static bool is_guarded(const struct party *p) { return strcmp(p->role, "guarded") == 0; }

static const char *verb(const struct finding *f, const struct party *p, bool earlier)
{
	if (p->access.freed)
		return earlier ? "had freed" : "frees";
	if (!p->access.write)
		return earlier ? "had read" : "reads";
	return earlier ? "had written" : f->kind == KIND_UNGUARDED_WRITE ? "wrote" : "writes";
}

bool report_race_freed(const struct finding *f)
{
	for (unsigned i = 0; i < f->nr_parties; i++)
		if (f->parties[i].access.freed)
			return true;
	return false;
}

void report_race_story(struct report *r, const struct finding *f)
{
	struct out *o = &r->out;
	if (f->flag)
		out_put(o, OUT_PLAIN, "  One stores what decides a branch of the other: meant as order. Atomics on both sides are no race.\n");
	for (unsigned i = 0; i < f->nr_parties; i++) {
		const struct party *p = &f->parties[i];
		bool earlier = strcmp(p->role, "earlier") == 0;
		if (is_guarded(p))
			continue;
		out_put(o, OUT_PLAIN, "  ");
		out_put(o, OUT_BOLD, "%s", names_thread(&r->names, f->section, p->thread, true));
		out_put(o, OUT_PLAIN, " %s ", verb(f, p, earlier));
		if (i == 0 || !f->place.text)
			out_put(o, OUT_LOCK, "%s", names_datum(&r->names, f));
		else
			out_put(o, OUT_PLAIN, "it");
		put_site(r, f, p);
		put_locks(r, f, p);
		out_put(o, OUT_PLAIN, ".\n");
	}
	const struct party *guarded = NULL;
	for (unsigned i = 0; i < f->nr_parties; i++)
		if (is_guarded(&f->parties[i]))
			guarded = &f->parties[i];
	if (!guarded && f->nr_parties == 2 && (f->parties[0].nr_holds || f->parties[1].nr_holds))
		out_put(o, OUT_PLAIN, common_lock(f) ? "  Both hold a lock, but not both of them alone.\n"
						      : "  They hold no lock in common.\n");
	if (f->usual.all)
		put_usual(r, f, guarded);
}

void report_race_party(struct report *r, const struct finding *f, const struct party *p)
{
	struct out *o = &r->out;
	bool earlier = strcmp(p->role, "earlier") == 0, past = earlier || f->kind == KIND_UNGUARDED_WRITE;
	if (p->access.freed)
		out_put(o, OUT_PLAIN, "  %s it%s here:\n", earlier ? "freed" : "frees", earlier ? ", before that," : "");
	else
		out_put(o, OUT_PLAIN, "  %s %llu byte%s at 0x%llx%s here:\n",
		p->access.write ? past ? "wrote" : "writes" : earlier ? "had read" : "reads", (unsigned long long)p->access.size,
		p->access.size == 1 ? "" : "s", (unsigned long long)p->access.address,
		is_guarded(p) ? ", as usual," : earlier ? ", before that," : "");
	report_text_stack(r, trace_get(&r->symbols, f->section, p->stack), 4);
}

void report_race_place(struct report *r, const struct finding *f)
{
	struct out *o = &r->out;
	const struct place *p = &f->place;
	if (!p->what)
		return;
	out_put(o, OUT_BOLD, "\nMemory\n");
	out_put(o, OUT_PLAIN, "  ");
	const char *name = names_datum(&r->names, f);
	out_put(o, OUT_LOCK, "%s", p->symbol ? p->symbol : name);
	out_put(o, OUT_PLAIN, ": ");
	if (strcmp(p->what, "heap") == 0) {
		uint64_t at = p->address - p->start;
		out_put(o, OUT_PLAIN, "byte %llu of a block of %llu byte%s at 0x%llx, allocated by %s%s\n", (unsigned long long)at,
			(unsigned long long)p->size, p->size == 1 ? "" : "s", (unsigned long long)p->start, thread(r, f, p->thread),
			model_stack(f->section, p->stack) ? " here:" : "");
		if (model_stack(f->section, p->stack))
			report_text_stack(r, trace_get(&r->symbols, f->section, p->stack), 4);
		return;
	}
	if (strcmp(p->what, "stack") == 0)
		out_put(o, OUT_PLAIN, "on %s stack, at 0x%llx\n", p->symbol ? "that thread's" : "its", (unsigned long long)p->address);
	else if (strcmp(p->what, "tls") == 0)
		out_put(o, OUT_PLAIN, "%sat 0x%llx", p->symbol ? "that thread's own, " : "", (unsigned long long)p->address);
	else if (strcmp(p->what, "global") == 0)
		out_put(o, OUT_PLAIN, "global, at 0x%llx", (unsigned long long)p->address);
	else
		out_put(o, OUT_PLAIN, "%s\n",
			report_race_freed(f) ? "it was a block of the heap"
					     : "neither a variable nor a block that was seen being allocated");
	if (strcmp(p->what, "global") == 0 || strcmp(p->what, "tls") == 0) {
		if (p->file && p->line)
			out_put(o, OUT_PLACE, ", declared at %s:%u", names_file(&r->names, p->file), p->line);
		if (p->function)
			out_put(o, OUT_PLAIN, " in %s", p->function);
		out_put(o, OUT_PLAIN, "\n");
	}
}

/* "banner[]" for "banner[16]": one loop over an array is one race. */
static const char *whole_array(struct report *r, const char *name)
{
	char *copy = mem_copy(&r->model.mem, name, strlen(name)), *to = copy;
	for (const char *p = name; *p; p++) {
		*to++ = *p;
		if (*p == '[')
			while (p[1] && p[1] != ']')
				p++;
	}
	*to = '\0';
	return copy;
}

const char *report_race_key(struct report *r, const struct finding *f)
{
	/* The same two lines and the same variable: a read and then a write of one statement is one race, not two. */
	if (f->nr_parties != 2 || !trace_site(trace_get(&r->symbols, f->section, f->parties[0].stack)) ||
	    !trace_site(trace_get(&r->symbols, f->section, f->parties[1].stack)))
		return NULL;
	const char *a = names_site(&r->names, f->section, f->parties[0].stack),
		   *b = names_site(&r->names, f->section, f->parties[1].stack);
	bool swap = strcmp(a, b) > 0;
	const char *where = "";
	if (f->place.what && (strcmp(f->place.what, "global") == 0 || strcmp(f->place.what, "tls") == 0)) {
		const char *name = names_datum(&r->names, f);
		where = whole_array(r, f->place.symbol ? f->place.symbol : name);
	} else if (f->place.what && model_stack(f->section, f->place.stack))
		where = mem_printf(&r->model.mem, "%s %s", names_site(&r->names, f->section, f->place.stack),
				   names_datum(&r->names, f) && f->place.symbol ? whole_array(r, f->place.symbol) : "");
	return mem_printf(&r->model.mem, "%s%s %s %s %s", f->kind_slug, f->chance ? " by chance" : "", swap ? b : a, swap ? a : b, where);
}

/* Plain moves are all that is left of an atomic load or store; where they came from is in the debug information. */
static bool atomic_side(struct report *r, const struct finding *f, const struct party *p)
{
	const struct trace *t = trace_get(&r->symbols, f->section, p->stack);
	for (unsigned i = 0; t && i < t->nr; i++) {
		const char *name = t->frames[i].place.function;
		if (name && (strncmp(name, "std::atomic", 11) == 0 || strncmp(name, "std::__atomic", 13) == 0))
			return true;
		if (!t->frames[i].place.inlined) {
			const char *line = source_line(&r->names.sources, &t->frames[i]);
			return line && strstr(line, "atomic");
		}
	}
	return false;
}

bool report_race_atomic(struct report *r, const struct finding *f)
{
	if ((f->kind != KIND_DATA_RACE && f->kind != KIND_UNGUARDED_WRITE) || f->nr_parties != 2)
		return false;
	names_datum(&r->names, f);
	/* Of a side whose stack was lost the other one tells: nobody could act on half a report of what is most likely an atomic. */
	bool lost[2] = { !trace_site(trace_get(&r->symbols, f->section, f->parties[0].stack)),
			 !trace_site(trace_get(&r->symbols, f->section, f->parties[1].stack)) };
	bool atomic[2] = { atomic_side(r, f, &f->parties[0]), atomic_side(r, f, &f->parties[1]) };
	return f->place.atomic || ((atomic[0] || lost[0]) && (atomic[1] || lost[1]) && (atomic[0] || atomic[1]));
}
