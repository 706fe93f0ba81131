/*
 * mem.h - Memory for a command that lives for seconds: arenas for what lives as long as a model, and growing arrays.
 *
 * Nothing here returns NULL: out of memory ends the command with status 125.
 */
#ifndef SNARL_TOOLS_MEM_H
#define SNARL_TOOLS_MEM_H

#include <stddef.h>

struct mem_chunk;

struct mem {
	struct mem_chunk *last;
};

/* Zeroed, aligned for anything. Freed by mem_free alone. */
void *mem_take(struct mem *m, size_t bytes);
char *mem_copy(struct mem *m, const char *text, size_t len);
char *mem_printf(struct mem *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
void mem_free(struct mem *m);

void *mem_alloc(size_t bytes);
void *mem_grow(void *array, size_t *cap, size_t elem);

/* A pointer to a new last element of `array`, not cleared. */
#define MEM_PUSH(array, nr, cap) \
	(((nr) == (cap) ? (void)((array) = mem_grow((array), &(cap), sizeof(*(array)))) : (void)0), &(array)[(nr)++])

#endif
