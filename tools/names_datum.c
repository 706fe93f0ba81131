/* names_datum.c - What the memory of a race is called. */
#include <string.h>

#include "names.h"

#define MAX_SPOTS 16

/* The lines that access it. */
static const char *hint_of(struct names *n, const struct finding *f)
{
	const char *hint = "";
	for (unsigned i = 0; i < f->nr_parties; i++) {
		const struct frame *at = trace_site(trace_get(n->symbols, f->section, f->parties[i].stack));
		const char *line = at ? source_line(&n->sources, at) : NULL;
		if (line)
			hint = mem_printf(&n->mem, "%s\n%s", hint, line);
	}
	return *hint ? hint : NULL;
}

/* The places of code of a stack's innermost frames, down to the site and its caller. */
static unsigned spots_of(struct names *n, const struct finding *f, uint64_t stack, struct symbols_spot *spots, unsigned nr)
{
	const struct trace *t = trace_get(n->symbols, f->section, stack);
	unsigned last = t ? t->site + 2 : 0, start = nr;
	for (unsigned i = 0; t && i < t->nr && i < last && nr < MAX_SPOTS; i++) {
		const struct frame *x = &t->frames[i];
		if (!x->module || x->interpreted || x->place.inlined)
			continue;
		spots[nr++] = (struct symbols_spot){ symbols_file(n->symbols, (struct module *)x->module),
						     x->offset - !x->exact };
	}
	/* An inlined site stands before the function it is in. */
	for (unsigned i = last; t && i < t->nr && nr == start; i++)
		if (t->frames[i].module && !t->frames[i].place.inlined)
			spots[nr++] =
			    (struct symbols_spot){ symbols_file(n->symbols, (struct module *)t->frames[i].module),
						   t->frames[i].offset - !t->frames[i].exact };
	return nr;
}

static bool block(struct names *n, const struct finding *f, struct place *p, struct symbols_datum *d)
{
	struct symbols_spot made[MAX_SPOTS], used[MAX_SPOTS];
	uint64_t at = p->address - p->start;
	if (!p->start || p->address < p->start || at >= p->size)
		return false;
	unsigned nr_made = spots_of(n, f, p->stack, made, 0), nr_used = 0;
	for (unsigned i = 0; i < f->nr_parties; i++)
		nr_used = spots_of(n, f, f->parties[i].stack, used, nr_used);
	return symbols_block(n->symbols, made, nr_made, used, nr_used, p->size, at, hint_of(n, f), d);
}

static const char *referred(struct names *n, const struct finding *f)
{
	struct symbols_spot used[MAX_SPOTS];
	unsigned nr = 0;
	for (unsigned i = 0; i < f->nr_parties; i++)
		nr = spots_of(n, f, f->parties[i].stack, used, nr);
	return f->nr_parties ? symbols_referred(n->symbols, used, nr, f->parties[0].access.size, hint_of(n, f)) : NULL;
}

const char *names_datum(struct names *n, const struct finding *f)
{
	struct place *p = (struct place *)&f->place;
	struct module *m = p->module ? model_module(f->section, p->module) : NULL;
	struct symbols_datum d;
	bool local = p->what && strcmp(p->what, "tls") == 0;
	if (p->text)
		return p->text;
	if (m && symbols_data(n->symbols, symbols_file(n->symbols, m), p->offset, local, hint_of(n, f), &d)) {
		p->text = p->symbol = mem_copy(&n->mem, d.name, strlen(d.name));
		p->file = d.file;
		if (local && p->thread)
			p->text = mem_printf(&n->mem, "%s, thread-local of %s", p->symbol,
					     names_thread(n, f->section, p->thread, false));
		p->line = d.line;
		p->function = d.function;
		p->atomic = d.atomic;
	} else if (m && !local && m->path && *m->path) {
		p->text = mem_printf(&n->mem, "%s+0x%llx", names_base(m->path), (unsigned long long)p->offset);
	} else if (p->what && strcmp(p->what, "heap") == 0 && block(n, f, p, &d)) {
		p->text = mem_copy(&n->mem, d.name, strlen(d.name));
		p->atomic = d.atomic;
		/* "int[2]" is anybody's. */
		p->symbol = strchr(d.name, '.') ? p->text : NULL;
		if (model_stack(f->section, p->stack))
			p->text = mem_printf(&n->mem, "%s in a block allocated at %s", p->text, names_site(n, f->section, p->stack));
	} else if (p->what && strcmp(p->what, "heap") == 0 && model_stack(f->section, p->stack)) {
		p->text = mem_printf(&n->mem, "a block allocated at %s", names_site(n, f->section, p->stack));
	} else if (p->what && strcmp(p->what, "heap") == 0) {
		p->text = mem_printf(&n->mem, "a block of %llu bytes", (unsigned long long)p->size);
	} else if (p->what && p->thread && strcmp(p->what, "stack") == 0 && (p->symbol = referred(n, f))) {
		p->text = mem_printf(&n->mem, "%s on the stack of %s", p->symbol,
				     names_thread(n, f->section, p->thread, false));
	} else if (p->what && p->thread && (strcmp(p->what, "stack") == 0 || local)) {
		p->text = mem_printf(&n->mem, local ? "a thread-local variable of %s" : "a variable of %s",
				     names_thread(n, f->section, p->thread, false));
	} else {
		uint64_t at = p->address ? p->address : f->nr_parties ? f->parties[0].access.address : 0;
		bool freed = f->nr_parties == 2 && (f->parties[0].access.freed || f->parties[1].access.freed);
		p->text = mem_printf(&n->mem, "%smemory at 0x%llx", freed ? "freed " : "", (unsigned long long)at);
	}
	return p->text;
}

