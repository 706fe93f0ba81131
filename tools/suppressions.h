/*
 * suppressions.h - Findings not to report: own lines, and TSan's and Valgrind's files as they are.
 *
 *   kind:glob [reason=...] [until=YYYY-MM-DD]	kind may be *; '#' begins a comment
 *   race:part  deadlock:part  mutex:part  thread:part  signal:part  called_from_lib:part	as TSan reads them
 *   { name  Helgrind:LockOrder  fun:glob  obj:glob  ... }					as Valgrind reads them
 *
 * A glob is held against the whole of each function, file base name, lock name, module base name and the fingerprint of
 * a finding; a TSan part may be anywhere in them, '^' and '$' tie it to the ends.
 */
#ifndef SNARL_TOOLS_SUPPRESSIONS_H
#define SNARL_TOOLS_SUPPRESSIONS_H

#include "names.h"

enum suppression_form { SUPPRESSION_OWN, SUPPRESSION_TSAN, SUPPRESSION_LIBRARY, SUPPRESSION_VALGRIND };

struct suppression_frame {
	enum { FRAME_FUN, FRAME_OBJ, FRAME_SRC, FRAME_ANY_NUMBER } what;
	const char *glob;
};

struct suppression {
	enum suppression_form form;
	uint64_t kinds; /* bit per kind */
	const char *file, *text;
	unsigned line;
	const char *pattern;
	const char *reason, *until; /* NULL */
	bool expired;
	struct suppression_frame *frames; /* Valgrind's */
	size_t nr_frames, cap_frames;
	uint64_t uses;
};

struct suppressions {
	struct mem mem;
	struct suppression *rules;
	size_t nr, cap;
};

/* The text of one file. False: `err` holds "FILE:LINE: what and what to do". */
bool suppressions_parse(struct suppressions *s, const char *file, const char *text, size_t len, char *err, size_t cap);
bool suppressions_load(struct suppressions *s, const char *path, char *err, size_t cap);
/* A list of files as the option has it: PATH,PATH. */
bool suppressions_load_list(struct suppressions *s, const char *list, char *err, size_t cap);
void suppressions_free(struct suppressions *s);

/* The rule that silences it, counted as used, or NULL. */
struct suppression *suppressions_match(struct suppressions *s, struct names *n, const struct finding *f);

/* The line that would silence this one. */
const char *suppressions_line(struct names *n, const struct finding *f);

/* Brings Valgrind's block that starts at *at into a rule; advances *at and *line. Used by suppressions_parse. */
bool suppressions_block(struct suppressions *s, const char *file, const char *text, size_t len, size_t *at,
			unsigned *line, char *err, size_t cap);

#endif
