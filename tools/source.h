/*
 * source.h - Lines of source files, of those that are as old as the program they were compiled into.
 */
#ifndef SNARL_TOOLS_SOURCE_H
#define SNARL_TOOLS_SOURCE_H

#include "trace.h"

struct source_file; /* source.c */

struct sources {
	struct mem mem;
	struct source_file *files;
};

void sources_free(struct sources *s);

/* The frame's line, trimmed and of at most 120 bytes, or NULL. Lives as long as `s`. */
const char *source_line(struct sources *s, const struct frame *f);

/* Does `word` stand in `text` as an identifier of its own? */
bool source_mentions(const char *text, const char *word, size_t length);

#endif
