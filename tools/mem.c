#include "mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/journal.h"

#define CHUNK_BYTES ((size_t)64 << 10)
#define ALIGN       16

struct mem_chunk {
	struct mem_chunk *older;
	size_t used, size;
	_Alignas(ALIGN) char bytes[];
};

static void *must(void *p)
{
	if (p)
		return p;
	fputs("snarl: out of memory\n", stderr);
	exit(STATUS_TROUBLE);
}

void *mem_alloc(size_t bytes)
{
	return must(calloc(1, bytes ? bytes : 1));
}

void *mem_grow(void *array, size_t *cap, size_t elem)
{
	*cap = *cap ? *cap * 2 : 8;
	return must(reallocarray(array, *cap, elem));
}

void *mem_take(struct mem *m, size_t bytes)
{
	bytes = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (!m->last || m->last->size - m->last->used < bytes) {
		size_t size = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
		struct mem_chunk *c = mem_alloc(sizeof *c + size);
		c->size = size;
		c->older = m->last;
		m->last = c;
	}
	void *p = m->last->bytes + m->last->used;
	m->last->used += bytes;
	return p;
}

char *mem_copy(struct mem *m, const char *text, size_t len)
{
	char *to = mem_take(m, len + 1);
	memcpy(to, text, len);
	return to;
}

char *mem_printf(struct mem *m, const char *format, ...)
{
	va_list ap, again;
	va_start(ap, format);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, format, ap);
	char *to = mem_take(m, (size_t)n + 1);
	vsnprintf(to, (size_t)n + 1, format, again);
	va_end(again);
	va_end(ap);
	return to;
}

void mem_free(struct mem *m)
{
	while (m->last) {
		struct mem_chunk *c = m->last;
		m->last = c->older;
		free(c);
	}
}
