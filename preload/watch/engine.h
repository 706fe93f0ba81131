/*
 * engine.h - Watching memory accesses by patching the program's own code.
 *
 * Starts when the process is about to get its second thread: before, no race is possible and the program runs
 * untouched. Modules loaded later are patched when the loader has mapped them, before anything in them runs.
 */
#ifndef SNARL_WATCH_ENGINE_H
#define SNARL_WATCH_ENGINE_H

#include "core/thread.h"
#include "detect/race.h"

struct engine_how {
	uint32_t nr_modules;    /* those there before we opened libraries for ourselves; those are not to be watched */
	const char *instrument; /* main, all, or patterns of file names with commas between */
	void (*say)(const char *a, const char *b, const char *c);
	bool verbose;
};

/* Is there any module whose accesses are asked for? Else nothing need be done at all. */
bool engine_wanted(const struct engine_how *how);
/* NULL, or why no accesses can be watched; then nothing was changed. The gate is shut; the caller is the only thread.
 */
const char *engine_start(const struct engine_how *how);
bool engine_on(void);
/* From now on no accesses are watched, and that is said: why. The program's code is its own again, as far as that can be. Once; the
 * gate is shut. */
void engine_stop(const char *why);
/* %gs is what the program needs for itself from now on. The gate is shut. */
void engine_gs_wanted(void);
/* The same, because two threads are about to share thread-local memory. */
void engine_tls_shared(void);

/* What it does for the rule: planes of threads that begin and end, tags that are to be forgotten. */
extern const struct race_engine engine_for_rule;

/* The loader has mapped new modules, or dropped some. The gate is shut. */
void engine_modules_changed(void);

void engine_fork_child(void);

#endif
