/*
 * annotate.c - What a program says about itself: order we cannot see, accesses that are meant to be as they are.
 *
 * source: the dynamic annotations that Helgrind, DRD and ThreadSanitizer know (AnnotateHappensBefore and so on,
 * declared by the programs themselves: file, line, then what it is about) and compiler-rt's tsan_interface.h.
 */
#include "detect/verbs.h"

#define NOTE(name, params)       \
	EXPORT void name params; \
	EXPORT void name params
#define FROM const char *file, int line

static void order(const volatile void *addr, bool before)
{
	struct thread *t = tls.thread;
	if (tls.inside || !t)
		return;
	if (before)
		happens_before(t, (uintptr_t)addr);
	else
		happens_after(t, (uintptr_t)addr);
}

static void benign(const volatile void *addr, size_t bytes)
{
	if (race_wanted) /* it may be said before there is a second thread */
		race_benign((uintptr_t)addr, bytes);
}

NOTE(__tsan_acquire, (void *addr))
{
	order(addr, false);
}
NOTE(__tsan_release, (void *addr))
{
	order(addr, true);
}

#pragma GCC diagnostic ignored "-Wunused-parameter"
NOTE(AnnotateHappensBefore, (FROM, const volatile void *addr))
{
	order(addr, true);
}
NOTE(AnnotateHappensAfter, (FROM, const volatile void *addr))
{
	order(addr, false);
}
NOTE(AnnotateBenignRace, (FROM, const volatile void *addr, const char *why))
{
	benign(addr, 1);
}
NOTE(AnnotateBenignRaceSized, (FROM, const volatile void *addr, long bytes, const char *why))
{
	benign(addr, (size_t)bytes);
}
NOTE(AnnotateIgnoreReadsBegin, (FROM))
{
	race_ignore(true);
}
NOTE(AnnotateIgnoreReadsEnd, (FROM))
{
	race_ignore(false);
}
NOTE(AnnotateIgnoreWritesBegin, (FROM))
{
	race_ignore(true);
}
NOTE(AnnotateIgnoreWritesEnd, (FROM))
{
	race_ignore(false);
}
NOTE(AnnotateIgnoreSyncBegin, (FROM)) {}
NOTE(AnnotateIgnoreSyncEnd, (FROM)) {}
/* Locks of the program's own making. */
NOTE(AnnotateRWLockCreate, (FROM, const volatile void *lock)) {}
NOTE(AnnotateRWLockDestroy, (FROM, const volatile void *lock)) {}
NOTE(AnnotateRWLockAcquired, (FROM, const volatile void *lock, long writes))
{
	order(lock, false);
}
NOTE(AnnotateRWLockReleased, (FROM, const volatile void *lock, long writes))
{
	order(lock, true);
}
/* Memory handed out anew by an allocator of the program's own. */
NOTE(AnnotateNewMemory, (FROM, const volatile void *addr, size_t bytes))
{
	struct thread *t = tls.thread;
	if (tls.inside || !t || !t->race)
		return;
	gate_shut();
	mem_fresh(t, (uintptr_t)addr, bytes, 0);
	gate_open();
}
