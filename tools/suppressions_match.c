/* suppressions_match.c - A finding against the rules; and the rule that would be for a finding. */
#include "baseline.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/* All there is to hold a pattern against. */
struct facts {
	const struct trace **traces;
	size_t nr_traces, cap_traces;
	const char **words; /* lock names, fingerprint */
	size_t nr_words, cap_words;
};

static void add_trace(struct facts *x, struct names *n, struct section *s, uint64_t stack)
{
	const struct trace *t = trace_get(n->symbols, s, stack);
	if (t)
		*MEM_PUSH(x->traces, x->nr_traces, x->cap_traces) = t;
}

static void add_lock(struct facts *x, struct names *n, struct section *s, uint64_t lock)
{
	if (!lock)
		return;
	const struct lock_name *name = names_lock_facts(n, s, lock);
	*MEM_PUSH(x->words, x->nr_words, x->cap_words) = name->text;
	if (name->symbol)
		*MEM_PUSH(x->words, x->nr_words, x->cap_words) = name->symbol;
}

static struct facts facts_of(struct names *n, const struct finding *f)
{
	struct facts x = { 0 };
	for (unsigned i = 0; i < f->nr_parties; i++) {
		const struct party *p = &f->parties[i];
		add_trace(&x, n, f->section, p->stack);
		if (p->wants_any) {
			add_trace(&x, n, f->section, p->wants.stack);
			add_lock(&x, n, f->section, p->wants.lock);
		}
		for (unsigned h = 0; h < p->nr_holds; h++) {
			add_trace(&x, n, f->section, p->holds[h].stack);
			add_lock(&x, n, f->section, p->holds[h].lock);
		}
	}
	for (unsigned i = 0; i < f->nr_locks; i++)
		add_lock(&x, n, f->section, f->locks[i]);
	if (f->place.what) {
		const char *name = names_datum(n, f);
		*MEM_PUSH(x.words, x.nr_words, x.cap_words) = name;
		if (f->place.symbol)
			*MEM_PUSH(x.words, x.nr_words, x.cap_words) = f->place.symbol;
		add_trace(&x, n, f->section, f->place.stack);
	}
	*MEM_PUSH(x.words, x.nr_words, x.cap_words) = identity_of(n, f);
	if (f->fingerprint)
		*MEM_PUSH(x.words, x.nr_words, x.cap_words) = f->fingerprint;
	return x;
}

static void facts_free(struct facts *x)
{
	free(x->traces);
	free(x->words);
}

static const char *base_of(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	return slash ? slash + 1 : path;
}

/* ---- patterns ---------------------------------------------------------------------------------------------------- */

static bool whole(const char *pattern, const char *text)
{
	return text && fnmatch(pattern, text, 0) == 0;
}

/* TSan's: a part of the text, '*' in it for anything, '^' and '$' at its ends. Nothing else is special. */
static bool part(const char *pattern, const char *text)
{
	bool anchored = *pattern == '^';
	if (!text)
		return false;
	pattern += anchored;
	while (*pattern) {
		if (*pattern == '*') {
			pattern++;
			anchored = false;
			continue;
		}
		if (strcmp(pattern, "$") == 0)
			return !anchored || *text == '\0';
		size_t n = strcspn(pattern, "*$");
		const char *at;
		if (n == 0)
			n = 1; /* a '$' inside */
		bool last = strcmp(pattern + n, "$") == 0;
		if (last && !anchored) {
			size_t len = strlen(text);
			return len >= n && strncmp(text + len - n, pattern, n) == 0;
		}
		at = anchored ? (strncmp(text, pattern, n) == 0 ? text : NULL) : memmem(text, strlen(text), pattern, n);
		if (!at)
			return false;
		text = at + n;
		pattern += n;
		anchored = true;
	}
	return true;
}

static bool frame_matches(const struct frame *f, const char *pattern, bool (*match)(const char *, const char *),
			  bool paths)
{
	const char *module = f->module ? f->module->path : NULL;
	return match(pattern, f->place.function) || match(pattern, f->place.linkage) ||
	       match(pattern, paths ? f->place.file : base_of(f->place.file)) ||
	       match(pattern, paths ? module : base_of(module));
}

static bool any_word(const struct facts *x, const char *pattern, bool (*match)(const char *, const char *), bool paths)
{
	for (size_t i = 0; i < x->nr_words; i++)
		if (match(pattern, x->words[i]))
			return true;
	for (size_t i = 0; i < x->nr_traces; i++)
		for (unsigned k = 0; k < x->traces[i]->nr; k++)
			if (frame_matches(&x->traces[i]->frames[k], pattern, match, paths))
				return true;
	return false;
}

/* The library that made the call. */
static bool library(const struct facts *x, const char *pattern)
{
	for (size_t i = 0; i < x->nr_traces; i++) {
		const struct frame *f = trace_site(x->traces[i]);
		if (f && f->module && part(pattern, f->module->path))
			return true;
	}
	return false;
}

static bool block_frame(const struct suppression_frame *want, const struct frame *f)
{
	switch (want->what) {
	case FRAME_FUN:
		return whole(want->glob, f->place.linkage ? f->place.linkage : f->place.function) ||
		       whole(want->glob, f->place.function);
	case FRAME_OBJ:
		return f->module && whole(want->glob, f->module->path);
	case FRAME_SRC:
		return whole(want->glob, base_of(f->place.file));
	case FRAME_ANY_NUMBER:
		return true;
	}
	return false;
}

static bool block_from(const struct suppression *x, size_t w, const struct trace *t, unsigned i)
{
	for (; w < x->nr_frames; w++, i++) {
		if (x->frames[w].what == FRAME_ANY_NUMBER) {
			for (unsigned k = i; k <= t->nr; k++)
				if (block_from(x, w + 1, t, k))
					return true;
			return false;
		}
		if (i >= t->nr || !block_frame(&x->frames[w], &t->frames[i]))
			return false;
	}
	return true;
}

/* Valgrind's stacks begin inside its own replacement of the call, ours at the caller. */
static bool its_own_frame(const struct suppression_frame *f)
{
	return f->what == FRAME_FUN && (strncmp(f->glob, "pthread_", 8) == 0 || strncmp(f->glob, "sem_", 4) == 0 ||
					strstr(f->glob, "_WRK") || strstr(f->glob, "mutex_lock"));
}

static bool block(const struct suppression *x, const struct facts *facts)
{
	size_t from = 0;
	for (size_t i = 0; i < facts->nr_traces; i++)
		if (block_from(x, 0, facts->traces[i], 0))
			return true;
	while (from < x->nr_frames && its_own_frame(&x->frames[from]))
		from++;
	for (size_t i = 0; from && i < facts->nr_traces; i++)
		if (block_from(x, from, facts->traces[i], 0))
			return true;
	return false;
}

struct suppression *suppressions_match(struct suppressions *s, struct names *n, const struct finding *f)
{
	if (s->nr == 0)
		return NULL;
	struct suppression *found = NULL;
	struct facts x = facts_of(n, f);
	uint64_t kind = f->kind >= 0 ? 1ull << f->kind : ~0ull;
	for (size_t i = 0; i < s->nr && !found; i++) {
		struct suppression *r = &s->rules[i];
		bool hit = false;
		if (r->expired || !(r->kinds & kind))
			continue;
		switch (r->form) {
		case SUPPRESSION_OWN:
			hit = any_word(&x, r->pattern, whole, false);
			break;
		case SUPPRESSION_TSAN:
			hit = any_word(&x, r->pattern, part, true) || any_word(&x, r->pattern, whole, false);
			break;
		case SUPPRESSION_LIBRARY:
			hit = library(&x, r->pattern);
			break;
		case SUPPRESSION_VALGRIND:
			hit = block(r, &x);
			break;
		}
		if (hit)
			found = r;
	}
	if (found)
		found->uses++;
	facts_free(&x);
	return found;
}

/* ---- the line for a finding -------------------------------------------------------------------------------------- */

/* As a glob that matches nothing but this. */
static const char *literal(struct names *n, const char *text)
{
	char *to = mem_take(&n->mem, 2 * strlen(text) + 1), *at = to;
	for (; *text; text++) {
		if (strchr("*?[\\", *text))
			*at++ = '\\';
		*at++ = *text;
	}
	return to;
}

/* Names so common that a rule on them would hide other findings. */
static bool too_common(const char *name)
{
	static const char *const names[] = {
		"main", "run", "start", "thread", "worker", "operator()", "lock", "_start"
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return strstr(name, "lambda") != NULL;
}

/* " reason=", " until=" and " #" would end the pattern. */
static bool fits_a_line(const char *name)
{
	return !strstr(name, " reason=") && !strstr(name, " until=") && !strstr(name, " #") && !strchr(name, '\n') &&
	       name[0] != ' ' && name[0] != '#' && name[strlen(name) - 1] != ' ';
}

/* A variable, whatever its index today. */
static const char *variable(struct names *n, const char *name)
{
	const char *clean = literal(n, name);
	char *copy = mem_take(&n->mem, 2 * strlen(clean) + 1), *to = copy;
	for (const char *p = clean; *p;) {
		size_t digits = p > clean && p[-1] == '[' ? strspn(p, "0123456789") : 0;
		if (digits && p[digits] == ']') {
			*to++ = '*';
			p += digits;
		} else {
			*to++ = *p++;
		}
	}
	return copy;
}

static const char *best_word(struct names *n, const struct finding *race, const struct facts *x)
{
	/* What is raced for is the one thing that both sides have and nobody else. */
	if (race->place.what) {
		const char *text = names_datum(n, race);
		const char *name = strcmp(race->place.what, "global") == 0 ? text : race->place.symbol;
		/* A local variable's name is not its own. */
		if (name && fits_a_line(name) && (strcmp(race->place.what, "stack") != 0 || strchr(name, '.')))
			return variable(n, name);
	}
	const struct frame *any = NULL;
	for (size_t i = 0; i < x->nr_traces; i++) {
		const struct frame *f = trace_site(x->traces[i]);
		if (!f || f->role != FRAME_PROGRAM)
			continue;
		any = any ? any : f;
		if (f->place.function && *f->place.function && !too_common(f->place.function) &&
		    fits_a_line(f->place.function))
			return literal(n, f->place.function);
	}
	/* A lock that happened to be held says nothing about a race. */
	if (race->place.what)
		return identity_of(n, race);
	for (size_t i = 0; i < x->nr_words; i++)
		if (*x->words[i] && !strchr(x->words[i], ' ') && !strchr(x->words[i], '@') && fits_a_line(x->words[i]))
			return literal(n, x->words[i]);
	const char *file = any ? base_of(any->place.file) : NULL;
	if (!file || !*file || !fits_a_line(file))
		file = any && any->module ? base_of(any->module->path) : NULL;
	return file && *file && fits_a_line(file) ? literal(n, file) : "*";
}

const char *suppressions_line(struct names *n, const struct finding *f)
{
	struct facts x = facts_of(n, f);
	const char *kind = f->kind >= 0 ? kind_facts[f->kind].slug : "*";
	const char *line = mem_printf(&n->mem, "%s:%s", kind, best_word(n, f, &x));
	facts_free(&x);
	return line;
}
