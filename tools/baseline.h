/*
 * baseline.h - Findings that are known already: only what is not among them counts.
 *
 * A baseline is a report (`snarl report --format=json`) or a journal. A report names each finding by `identity`, which is
 * made of functions, locks and variables and so outlives addresses, lines and rebuilds; a journal has that as long as the
 * files it names are what they were, and the fingerprint (module + offset) in any case.
 */
#ifndef SNARL_TOOLS_BASELINE_H
#define SNARL_TOOLS_BASELINE_H

#include "report.h"

/* Into r->baseline. False, with a sentence in `err`, when there is no such file or it is neither of the two. */
bool baseline_load(struct report *r, const char *path, char *err, size_t cap);
void baseline_free(struct report *r);

/* Is it in there? */
bool baseline_has(struct report *r, const struct finding *f);
/* How many of them nothing was like. */
uint64_t baseline_unseen(const struct report *r);

/* identity.c: 16 hex digits: what, by which functions, over which locks and variables. Kept with the model. */
const char *identity_of(struct names *n, const struct finding *f);

#endif
