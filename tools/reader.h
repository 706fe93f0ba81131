/*
 * reader.h - Journals into a model, from files, sockets or memory, as much of them as can be read.
 *
 * A line that cannot be read is counted as damage with its place and reason, and the next one is tried. NUL bytes end a
 * line like a newline does: a killed process leaves them where it had reserved room.
 */
#ifndef SNARL_TOOLS_READER_H
#define SNARL_TOOLS_READER_H

#include "model.h"

struct reader {
	struct model *model;
	const char *file;
	struct section *section;
	uint64_t offset; /* of `line` in the file */
	char *line;      /* what there is of it so far */
	size_t len, cap;
	uint64_t seen;             /* bytes of this line, kept or not */
	uint64_t hole, hole_bytes; /* NULs at the start of a line, where a record was to come */
	bool skipping;             /* a line beyond all measure */
};

/* `file` is kept, not copied; `offset` is that of the first byte that will be fed. */
void reader_init(struct reader *r, struct model *m, const char *file, uint64_t offset);
void reader_feed(struct reader *r, const char *bytes, size_t len);
/* No more will come: what is left without a newline is a whole record or a torn one. */
void reader_finish(struct reader *r);

/* A whole file. False with errno when it cannot be opened or read. */
bool reader_file(struct model *m, const char *path);
/* A file, or the journals in a directory (*.jsonl, *.journal, and what follows those endings). False: errno. */
bool reader_path(struct model *m, const char *path);

#endif
