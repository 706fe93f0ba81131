/* report_frames.c - Stacks as text. */
#include "report.h"

#include <string.h>

static const char *trouble(const struct frame *f)
{
	if (!f->module)
		return " (code of no file)";
	switch (f->state) {
	case SYMBOLS_READY:
		return "";
	case SYMBOLS_MISSING:
		return " (file not found)";
	case SYMBOLS_CHANGED:
		return " (file has changed since)";
	case SYMBOLS_STRANGE:
		return " (file not readable as ELF)";
	}
	return "";
}

/* Template arguments longer than this are nobody's reading: they are folded to "<...>". */
#define MAX_ARGUMENTS 24

/* "std::map<...>::operator[]". */
static const char *short_name(struct report *r, const char *name)
{
	char *copy = mem_copy(&r->names.mem, name, strlen(name)), *to = copy;
	for (const char *p = name; *p;) {
		if (strncmp(p, "operator", 8) == 0) {
			size_t n = 8 + strspn(p + 8, "<>=-!");
			memcpy(to, p, n);
			to += n;
			p += n;
			continue;
		}
		const char *end = p;
		if (*p == '<') {
			int deep = 0;
			do
				deep += *end == '<' ? 1 : *end == '>' ? -1 : 0;
			while (deep && *++end);
		}
		if (*p == '<' && *end == '>' && end - p > MAX_ARGUMENTS) {
			memcpy(to, "<...>", 5);
			to += 5;
			p = end + 1;
		} else {
			*to++ = *p++;
		}
	}
	*to = '\0';
	return copy;
}

const char *report_function(struct report *r, const char *name)
{
	return r->verbose || strlen(name) < MAX_ARGUMENTS ? name : short_name(r, name);
}

static void put_frame(struct report *r, const struct frame *f, unsigned number, unsigned indent, bool is_site, bool interrupted)
{
	struct out *o = &r->out;
	enum out_style name = f->role == FRAME_PROGRAM ? OUT_PLAIN : OUT_DIM;
	out_put(o, OUT_PLAIN, "%*s", (int)indent, "");
	out_put(o, OUT_DIM, "#%-2u ", number);
	if (!f->place.function && !f->place.file) {
		out_put(o, name, "%s%s\n", names_place(&r->names, f), trouble(f));
		return;
	}
	out_put(o, is_site ? OUT_BOLD : name, "%s", f->place.function ? report_function(r, f->place.function) : "??");
	if (f->place.file)
		out_put(o, name == OUT_DIM ? OUT_DIM : OUT_PLACE, " %s:%u", names_file(&r->names, f->place.file),
			f->place.line);
	else
		out_put(o, OUT_DIM, "+0x%llx (%s)", (unsigned long long)f->place.past, trace_module_name(f));
	out_put(o, OUT_DIM, "%s\n", f->place.inlined ? " (inlined)" : interrupted ? " (interrupted here)" : "");
	const char *line = is_site ? source_line(&r->names.sources, f) : NULL;
	if (!line)
		return;
	out_put(o, OUT_DIM, "%*s%5u | ", (int)indent + 4, "", f->place.line);
	out_put(o, OUT_PLAIN, "%s\n", line);
}

/* How the thread began, in a line. */
static void put_tail(struct report *r, const struct trace *t, unsigned i, unsigned indent)
{
	struct out *o = &r->out;
	const char *last = "";
	out_put(o, OUT_DIM, "%*s... ", (int)indent, "");
	for (; i < t->nr; i++) {
		const struct frame *f = &t->frames[i];
		const char *name = f->place.function ? f->place.function : trace_module_name(f);
		if (f->role == FRAME_INNER)
			continue;
		/* The C++ library's way from start_thread to the function is ten frames of templates. */
		if (strstr(name, "std::thread::") || strstr(name, "std::__invoke") || strncmp(name, "libstdc++.so", 12) == 0 ||
		    strncmp(name, "execute_native_thread_routine", 29) == 0)
			name = "std::thread";
		if (strcmp(name, last) != 0)
			out_put(o, OUT_DIM, "%s%s", *last ? ", " : "", report_function(r, name));
		last = name;
	}
	out_put(o, OUT_PLAIN, "\n");
}

void report_text_stack(struct report *r, const struct trace *t, unsigned indent)
{
	struct out *o = &r->out;
	if (!t || t->nr == 0) {
		out_put(o, OUT_DIM, "%*s(no stack was recorded)\n", (int)indent, "");
		return;
	}
	unsigned i = 0, number = 0;
	/* Where an access stack begins, its exact place is the access; below a signal frame it is where the signal came. */
	bool began = false;
	for (; i < t->nr && (r->verbose || t->frames[i].role != FRAME_TAIL); i++) {
		const struct frame *f = &t->frames[i];
		if (r->verbose || f->role != FRAME_INNER)
			put_frame(r, f, number++, indent, i == t->site, f->exact && began);
		began |= !f->place.inlined;
	}
	if (i < t->nr)
		put_tail(r, t, i, indent);
	if (t->cut)
		out_put(o, OUT_DIM, "%*s... (cut here: stack_depth was reached, or the frame could not be unwound)\n",
			(int)indent, "");
}

static void meet(struct report *r, const struct finding *f, uint64_t stack)
{
	names_meet(&r->names, trace_get(&r->symbols, f->section, stack));
}

void report_meet(struct report *r, const struct finding *f)
{
	for (unsigned i = 0; i < f->nr_parties; i++) {
		const struct party *p = &f->parties[i];
		const struct thread *t = model_thread(f->section, p->thread);
		meet(r, f, p->stack);
		meet(r, f, p->wants.stack);
		for (unsigned h = 0; h < p->nr_holds; h++)
			meet(r, f, p->holds[h].stack);
		if (t)
			meet(r, f, t->created);
	}
}
