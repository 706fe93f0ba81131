/*
 * load.c - Libraries that come and go.
 *
 * dlopen looks at its caller (RUNPATH, $ORIGIN, namespace), so it must be entered as if from the program: a tail call, with
 * nothing to do afterwards. What it has loaded is found when an address in it first turns up (core/module.h). dlclose does
 * not care who calls.
 */
#include "hooks/process.h"

#include "hooks/interpose.h"

#include <dlfcn.h>

#if defined(__clang__)
#define TAIL_CALL __attribute__((musttail))
#else
#define TAIL_CALL /* gcc makes it one at -O2; a test looks */
#endif

INTERPOSE(void *, dlopen, (const char *file, int mode))
{
	if (unlikely(!real_dlopen))
		hook_resolve_slow(&row_dlopen);
	TAIL_CALL return real_dlopen(file, mode);
}

INTERPOSE(int, dlclose, (void *handle))
{
	struct thread *t = hook_thread();
	/* Before, so that a library nobody has asked about yet is known; after, so that it is known to be gone. */
	if (t && process_events.modules_changed)
		process_events.modules_changed();
	int r = REAL(dlclose)(handle);
	if (t && r == 0 && process_events.modules_changed)
		process_events.modules_changed();
	return r;
}
