#include "names.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct names_file {
	const char *base, *path;
	bool ambiguous;
	UT_hash_handle hh;
};

void names_init(struct names *n, struct symbols *s, bool full_paths)
{
	memset(n, 0, sizeof *n);
	n->symbols = s;
	n->full_paths = full_paths;
}

void names_free(struct names *n)
{
	HASH_CLEAR(hh, n->files);
	sources_free(&n->sources);
	mem_free(&n->mem);
}

/* ---- places ------------------------------------------------------------------------------------------------------ */

const char *names_base(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash && slash[1] ? slash + 1 : path;
}

static struct names_file *meet(struct names *n, const char *path)
{
	const char *base = names_base(path);
	struct names_file *f;
	HASH_FIND_STR(n->files, base, f);
	if (!f) {
		f = mem_take(&n->mem, sizeof *f);
		f->path = mem_copy(&n->mem, path, strlen(path));
		f->base = names_base(f->path);
		HASH_ADD_KEYPTR(hh, n->files, f->base, strlen(f->base), f);
	} else if (strcmp(f->path, path) != 0) {
		f->ambiguous = true;
	}
	return f;
}

void names_meet(struct names *n, const struct trace *t)
{
	for (unsigned i = 0; t && i < t->nr; i++)
		if (t->frames[i].place.file)
			meet(n, t->frames[i].place.file);
}

const char *names_file(struct names *n, const char *path)
{
	if (n->full_paths)
		return path;
	const char *base = names_base(path);
	if (!meet(n, path)->ambiguous)
		return base;
	/* With its directory: two of them are rarely called the same. */
	const char *dir = base > path ? base - 1 : path;
	while (dir > path && dir[-1] != '/')
		dir--;
	return dir;
}

const char *names_place(struct names *n, const struct frame *f)
{
	if (!f)
		return "an unknown place";
	if (f->place.file && f->place.line)
		return mem_printf(&n->mem, "%s:%u", names_file(n, f->place.file), f->place.line);
	if (f->place.function)
		return mem_printf(&n->mem, "%s+0x%llx", f->place.function, (unsigned long long)f->place.past);
	if (!f->module)
		return mem_printf(&n->mem, "0x%llx", (unsigned long long)f->offset);
	return mem_printf(&n->mem, "%s+0x%llx", trace_module_name(f), (unsigned long long)f->offset);
}

const char *names_site(struct names *n, struct section *s, uint64_t stack)
{
	return names_place(n, trace_site(trace_get(n->symbols, s, stack)));
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

/* A name on one line, whatever somebody put into it. */
static const char *one_line(struct names *n, const char *text)
{
	char *copy = mem_copy(&n->mem, text, strlen(text));
	for (char *p = copy; *p; p++)
		if (*p == '\n' || *p == '\r' || *p == '\t')
			*p = ' ';
	return copy;
}

const char *names_thread(struct names *n, const struct section *s, uint64_t thread, bool sentence)
{
	const struct thread *t = model_thread(s, thread);
	const char *word = sentence ? "Thread" : "thread";
	if (!thread)
		return sentence ? "An unknown thread" : "an unknown thread";
	if (!t || !t->name || !*t->name)
		return mem_printf(&n->mem, "%s %llu", word, (unsigned long long)thread);
	return mem_printf(&n->mem, "%s %llu \"%s\"", word, (unsigned long long)thread, one_line(n, t->name));
}

/* ---- locks ------------------------------------------------------------------------------------------------------- */

const char *names_lock_kind(const struct section *s, uint64_t lock)
{
	const struct lock *l = model_lock(s, lock);
	return lock_kind_facts[l && l->kind > 0 ? l->kind : LOCK_UNKNOWN].words;
}

static bool by_symbol(struct names *n, struct section *s, const struct lock *l, struct lock_name *name)
{
	struct symbols_datum d;
	struct module *m = l->is_static ? model_module(s, l->module) : NULL;
	if (!m || !symbols_data(n->symbols, symbols_file(n->symbols, m), l->offset, false, NULL, &d))
		return false;
	if (strncmp(d.name, "_IO_2_1_std", 11) == 0)
		d.name = strstr(d.name, "stdin") ? "stdin" : strstr(d.name, "stdout") ? "stdout" : "stderr";
	*name = (struct lock_name){ .by = LOCK_BY_SYMBOL,
				    .symbol = d.name,
				    .text = d.name,
				    .file = d.file,
				    .line = d.line,
				    .function = d.function };
	return true;
}

/*
 * What a line of Python calls the lock it makes: "a = Lock()", "self.lock: Lock = threading.Lock()". NULL: it does not, or the file
 * is newer than the program.
 */
static const char *python_name(struct names *n, const struct frame *f)
{
	struct stat st;
	if (!f->interpreted || stat(f->place.file, &st) != 0 || !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec > f->started)
		return NULL;
	FILE *file = fopen(f->place.file, "re");
	char *line = NULL;
	size_t cap = 0;
	ssize_t bytes = -1;
	const char *name = NULL;
	for (unsigned at = 0; file && at < f->place.line && (bytes = getline(&line, &cap, file)) > 0; at++)
		;
	if (bytes > 0) {
		char *from = line + strspn(line, " \t"), *to = from;
		while (isalnum((unsigned char)*to) || *to == '_' || *to == '.' || (unsigned char)*to >= 0x80)
			to++;
		char *next = to + strspn(to, " \t");
		bool assigned = *next == '=' && next[1] != '=';
		for (char *c = next; *next == ':' && *c && !assigned; c++)
			assigned = *c == '=';
		if (assigned && to > from && !strchr(next, ';'))
			name = mem_copy(&n->mem, from, (size_t)(to - from));
	}
	free(line);
	if (file)
		fclose(file);
	return name;
}

#define MANY_LOCKS 2000u

/* Made, or first locked, where `l` was, in `f`. */
static bool same_place(struct names *n, struct section *s, const struct lock *other, const struct lock *l, const struct frame *f)
{
	if (!other->init != !l->init)
		return false;
	if (other->init == l->init && (l->init || other->first == l->first))
		return true;
	/* By another way to the same line. */
	if (!f->place.file || HASH_COUNT(s->locks) > MANY_LOCKS)
		return false;
	const struct frame *g = trace_site(trace_get(n->symbols, s, other->init ? other->init : other->first));
	return g && g->place.file && g->place.line == f->place.line && strcmp(g->place.file, f->place.file) == 0;
}

static bool by_stack(struct names *n, struct section *s, uint64_t id, const struct lock *l, struct lock_name *name)
{
	const struct trace *t = trace_get(n->symbols, s, l->init ? l->init : l->first);
	const struct frame *f = trace_site(t);
	if (!f)
		return false;
	const char *kind = l->kind > 0 ? lock_kind_facts[l->kind].words : "lock";
	*name = (struct lock_name){ .by = l->init ? LOCK_BY_INIT : LOCK_BY_FIRST,
				    .file = f->place.file,
				    .line = f->place.line,
				    .function = f->place.function,
				    .trace = t };
	const char *python = l->init ? python_name(n, f) : NULL;
	name->text = python ? python : mem_printf(&n->mem, "%s@%s", kind, names_place(n, f));
	/* Many locks are made at one place: those get their number as well. */
	struct lock *other, *next;
	HASH_ITER (hh, s->locks, other, next)
		if (other->id != id && !other->is_static && other->kind == l->kind && same_place(n, s, other, l, f)) {
			name->text = mem_printf(&n->mem, "%s#%llu", name->text, (unsigned long long)id);
			break;
		}
	return true;
}

static void name_lock(struct names *n, struct section *s, uint64_t id, const struct lock *l, struct lock_name *name)
{
	if (l && (l->kind == LOCK_LOADER || (l->kind == LOCK_THREAD && l->thread))) {
		name->by = LOCK_BY_NATURE;
		name->text = l->kind == LOCK_LOADER
				 ? "the loader lock"
				 : mem_printf(&n->mem, "the end of %s", names_thread(n, s, l->thread, false));
		return;
	}
	if (l && (by_symbol(n, s, l, name) || by_stack(n, s, id, l, name)))
		return;
	name->by = LOCK_BY_ADDRESS;
	struct module *m = l && l->is_static ? model_module(s, l->module) : NULL;
	if (m && m->path && *m->path)
		name->text = mem_printf(&n->mem, "%s+0x%llx", names_base(m->path), (unsigned long long)l->offset);
	else if (l && l->address)
		name->text =
		    mem_printf(&n->mem, "%s at 0x%llx", names_lock_kind(s, id), (unsigned long long)l->address);
	else
		name->text = mem_printf(&n->mem, "lock %llu", (unsigned long long)id);
}

const struct lock_name *names_lock_facts(struct names *n, struct section *s, uint64_t lock)
{
	struct lock *l = model_lock(s, lock);
	if (l && l->name)
		return l->name;
	struct lock_name *name = mem_take(&s->model->mem, sizeof *name);
	name_lock(n, s, lock, l, name);
	if (l)
		l->name = name;
	return name;
}

const char *names_lock(struct names *n, struct section *s, uint64_t lock)
{
	return names_lock_facts(n, s, lock)->text;
}

const char *names_sentence(struct names *n, const char *text)
{
	char *copy = mem_copy(&n->mem, text, strlen(text));
	copy[0] = (char)toupper((unsigned char)copy[0]);
	return copy;
}
