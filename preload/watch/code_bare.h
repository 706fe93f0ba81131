/* code_bare.h - Between code_bare.c, which finds hand-written code, and code_bare_merge.c, which makes functions of it. */
#ifndef SNARL_WATCH_CODE_BARE_H
#define SNARL_WATCH_CODE_BARE_H

#include "watch/code.h"

struct bare {
	struct code *c;
	const struct decoder *d;
	uint64_t *entry;  /* bit per byte: something leads here */
	uint64_t *proved; /* and that is known to be code */
	uint64_t *border; /* a function begins here */
	uint64_t *spoilt; /* read as data, or led to in the middle of an instruction */
	uint64_t *refused; /* entries that cannot be: in the middle of what is known better */
	uint64_t *ragged; /* what was taken from here on ended before the next place */
	size_t bytes;     /* of each */
	uint32_t total;
	bool changed, proved_only;
};

/* Puts the functions found among the others. 0 or -1. */
int bare_merge(struct bare *b);

#endif
