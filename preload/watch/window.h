/* window.h - Chooses the windows of one function and has them emitted. */
#ifndef SNARL_WATCH_WINDOW_H
#define SNARL_WATCH_WINDOW_H

#include "watch/emit.h"
#include "watch/island.h"
#include "watch/live.h"

struct windows {
	struct emit e;
	struct live live;
	struct islands islands;
	uint8_t *watch; /* enum access of each instruction of the function at hand */
	size_t watch_cap;
};

/* Adds the function's windows to the plan and its accesses to the counts. 0 or -1: out of memory. */
int windows_of(struct windows *w, const struct code *c, const struct code_function *f);
/* Accesses of f that are to be watched, whether or not that will be possible. */
uint32_t windows_count(const struct code *c, const struct code_function *f);
void windows_close(struct windows *w);

#endif
