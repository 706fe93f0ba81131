/* coverage.h - How much of what should be watched is: counted module by module, for the summary. */
#ifndef SNARL_WATCH_COVERAGE_H
#define SNARL_WATCH_COVERAGE_H

#include "core/module.h"
#include "watch/plan.h"

#define COVERAGE_TEXT 320u

/* A module was planned; patched: and its text rewritten. */
void coverage_add(const struct plan_counts *c, bool patched);

/* Code that was not understood, [lo, hi), which stands at this offset in its module's file. */
void coverage_gap(uintptr_t lo, uintptr_t hi, uint64_t offset, uint32_t accesses);
/* Those of a plan. */
void coverage_gaps(const struct module *m, const struct plan_gap gaps[PLAN_GAPS], uintptr_t base);
/* The program mapped part of a file, readable and to be run. Where that is such code, byte for byte, it is meant to run there, as
 * V8's builtins are: like code that is made at run time it counts no longer. cost: reads it if the offsets fit. */
void coverage_mapped(uintptr_t addr, size_t bytes, uint64_t offset);

struct coverage {
	uint64_t accesses, watched; /* sites that should be, and that are */
	uint64_t elsewhere;         /* not among them: what coverage_mapped found */
};
struct coverage coverage_counts(void);

/* Why the others are not, and how many for each reason: "outside functions 12, pinned 3". Stays until the next call. */
const char *coverage_refused(void);

/* A line about one module. */
const char *coverage_tell(char text[COVERAGE_TEXT], const struct plan_counts *c, uint64_t ns);

#endif
