/* report_frames.c - Stacks as text. */
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* That line of the file, trimmed, or NULL; only of a file that is as old as the program it was compiled into. */
const char *report_source_line(struct report *r, const struct frame *f)
{
	struct stat st;
	FILE *file;
	if (!f->place.file || !f->place.line || stat(f->place.file, &st) != 0 || !S_ISREG(st.st_mode))
		return NULL;
	uint64_t changed = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
	uint64_t started = f->interpreted ? f->started : f->module ? f->module->started : 0;
	if (started && changed > started)
		return NULL;
	file = fopen(f->place.file, "re");
	if (!file)
		return NULL;
	char *line = NULL;
	const char *found = NULL;
	size_t cap = 0;
	ssize_t n;
	for (unsigned at = 1; (n = getline(&line, &cap, file)) > 0; at++) {
		if (at != f->place.line)
			continue;
		char *text = line + strspn(line, " \t");
		text[strcspn(text, "\r\n")] = '\0';
		for (char *p = text; *p; p++)
			if (*p == '\t')
				*p = ' ';
		if (*text)
			found = mem_copy(&r->names.mem, text, strnlen(text, 120));
		break;
	}
	free(line);
	fclose(file);
	return found;
}

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

static void put_frame(struct report *r, const struct frame *f, unsigned number, unsigned indent, bool is_site)
{
	struct out *o = &r->out;
	enum out_style name = f->role == FRAME_PROGRAM ? OUT_PLAIN : OUT_DIM;
	out_put(o, OUT_PLAIN, "%*s", (int)indent, "");
	out_put(o, OUT_DIM, "#%-2u ", number);
	if (!f->place.function && !f->place.file) {
		out_put(o, name, "%s%s\n", names_place(&r->names, f), trouble(f));
		return;
	}
	out_put(o, is_site ? OUT_BOLD : name, "%s", f->place.function ? f->place.function : "??");
	if (f->place.file)
		out_put(o, name == OUT_DIM ? OUT_DIM : OUT_PLACE, " %s:%u", names_file(&r->names, f->place.file),
			f->place.line);
	else
		out_put(o, OUT_DIM, "+0x%llx (%s)", (unsigned long long)f->place.past, trace_module_name(f));
	out_put(o, OUT_DIM, "%s\n", f->place.inlined ? " (inlined)" : f->exact ? " (interrupted here)" : "");
	const char *line = is_site ? report_source_line(r, f) : NULL;
	if (!line)
		return;
	out_put(o, OUT_DIM, "%*s%5u | ", (int)indent + 4, "", f->place.line);
	out_put(o, OUT_PLAIN, "%s\n", line);
}

void report_text_stack(struct report *r, const struct trace *t, unsigned indent)
{
	struct out *o = &r->out;
	if (!t || t->nr == 0) {
		out_put(o, OUT_DIM, "%*s(no stack was recorded)\n", (int)indent, "");
		return;
	}
	unsigned i = 0, number = 0;
	for (; i < t->nr && (r->verbose || t->frames[i].role != FRAME_TAIL); i++)
		if (r->verbose || t->frames[i].role != FRAME_INNER)
			put_frame(r, &t->frames[i], number++, indent, i == t->site);
	if (i < t->nr) {
		out_put(o, OUT_DIM, "%*s... ", (int)indent, "");
		for (bool first = true; i < t->nr; i++) {
			if (t->frames[i].role == FRAME_INNER)
				continue;
			out_put(o, OUT_DIM, "%s%s", first ? "" : ", ",
				t->frames[i].place.function ? t->frames[i].place.function
							    : trace_module_name(&t->frames[i]));
			first = false;
		}
		out_put(o, OUT_PLAIN, "\n");
	}
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
