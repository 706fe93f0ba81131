/* coverage.h - How much of what should be watched is: counted module by module, for the summary. */
#ifndef SNARL_WATCH_COVERAGE_H
#define SNARL_WATCH_COVERAGE_H

#include "watch/plan.h"

#define COVERAGE_TEXT 320u

/* A module was planned; patched: and its text rewritten. */
void coverage_add(const struct plan_counts *c, bool patched);

struct coverage {
	uint64_t accesses, watched; /* sites that should be, and that are */
};
struct coverage coverage_counts(void);

/* Why the others are not, and how many for each reason: "outside functions 12, pinned 3". Stays until the next call. */
const char *coverage_refused(void);

/* A line about one module. */
const char *coverage_tell(char text[COVERAGE_TEXT], const struct plan_counts *c, uint64_t ns);

#endif
