#include "source.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_BYTES (64 << 20)
#define MAX_LINE  120

struct source_file {
	const char *path;
	uint64_t changed; /* ns since 1970 */
	char *text;       /* NULL: cannot be read */
	size_t bytes, *lines, nr_lines, cap_lines;
	UT_hash_handle hh;
};

static void read_file(struct source_file *x)
{
	struct stat st;
	FILE *file = stat(x->path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size < MAX_BYTES ? fopen(x->path, "re") : NULL;
	if (!file)
		return;
	x->changed = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
	x->text = mem_alloc((size_t)st.st_size + 1);
	x->bytes = fread(x->text, 1, (size_t)st.st_size, file);
	fclose(file);
	for (size_t at = 0; at < x->bytes;) {
		const char *end = memchr(x->text + at, '\n', x->bytes - at);
		*MEM_PUSH(x->lines, x->nr_lines, x->cap_lines) = at;
		at = end ? (size_t)(end - x->text) + 1 : x->bytes;
	}
}

static struct source_file *get(struct sources *s, const char *path)
{
	struct source_file *x;
	HASH_FIND_STR(s->files, path, x);
	if (!x) {
		x = mem_take(&s->mem, sizeof *x);
		x->path = mem_copy(&s->mem, path, strlen(path));
		read_file(x);
		HASH_ADD_KEYPTR(hh, s->files, x->path, strlen(x->path), x);
	}
	return x;
}

void sources_free(struct sources *s)
{
	struct source_file *x, *next;
	HASH_ITER (hh, s->files, x, next) {
		HASH_DEL(s->files, x);
		free(x->text);
		free(x->lines);
	}
	mem_free(&s->mem);
}

const char *source_line(struct sources *s, const struct frame *f)
{
	if (!f->place.file || !f->place.line)
		return NULL;
	const struct source_file *x = get(s, f->place.file);
	uint64_t started = f->interpreted ? f->started : f->module ? f->module->started : 0;
	if (!x->text || f->place.line > x->nr_lines || (started && x->changed > started))
		return NULL;
	size_t at = x->lines[f->place.line - 1];
	size_t end = f->place.line < x->nr_lines ? x->lines[f->place.line] : x->bytes;
	while (at < end && (x->text[at] == ' ' || x->text[at] == '\t'))
		at++;
	size_t n = 0;
	while (at + n < end && n < MAX_LINE && x->text[at + n] && !strchr("\r\n", x->text[at + n]))
		n++;
	if (!n)
		return NULL;
	char *line = mem_copy(&s->mem, x->text + at, n);
	for (char *p = line; *p; p++)
		if (*p == '\t')
			*p = ' ';
	return line;
}

bool source_mentions(const char *text, const char *word, size_t length)
{
	for (const char *p = text; p && length && (p = memmem(p, strlen(p), word, length)); p++) {
		bool before = p > text && (isalnum((unsigned char)p[-1]) || p[-1] == '_');
		bool after = isalnum((unsigned char)p[length]) || p[length] == '_';
		if (!before && !after)
			return true;
	}
	return false;
}
