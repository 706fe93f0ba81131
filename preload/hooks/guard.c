/*
 * guard.c - Static variables of C++ functions: initialised once, by whoever comes first.
 *
 * source: Itanium C++ ABI, 3.3.3. The compiler's fast path reads the guard's first byte with a plain load and asks nobody, so the
 * byte is made a synchronisation location. Nothing is done here but for races.
 */
#include "hooks/interpose.h"

#include "base/sys.h"

#include <dlfcn.h>
#include <stdint.h>

int __cxa_guard_acquire(int64_t *guard);
void __cxa_guard_release(int64_t *guard);
void __cxa_guard_abort(int64_t *guard);

REAL_OF(dlopen);

/*
 * Not rows of hook_resolve_all: most programs have no C++ library, and asking for what is not there leaves an error for dlerror.
 * A library of a plugin (RTLD_LOCAL) lies outside the scope in which we look for what we stand before.
 */
static ALIGNS void *find(const char *name)
{
	static const char *const runtimes[] = { "libstdc++.so.6", "libc++abi.so.1" };
	gate_shut();
	void *p = dlsym(RTLD_NEXT, name);
	for (unsigned i = 0; !p && i < ARRAY_SIZE(runtimes) && real_dlopen; i++) {
		void *lib = real_dlopen(runtimes[i], RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD);
		p = lib ? dlsym(lib, name) : NULL;
	}
	gate_open();
	return p;
}

static int (*_Atomic real_acquire)(int64_t *);
static void (*_Atomic real_release)(int64_t *);
static void (*_Atomic real_abort)(int64_t *);

/* The same by our own means, should there be none at all. Second byte: somebody is at it. */
static int own_acquire(int64_t *guard)
{
	_Atomic uint8_t *done = (_Atomic uint8_t *)guard, *busy = done + 1;
	while (!atomic_load(done)) {
		if (!atomic_exchange(busy, 1)) {
			if (!atomic_load(done))
				return 1;
			atomic_store(busy, 0);
		}
		sys0(SYS_sched_yield);
	}
	return 0;
}

static void own_leave(int64_t *guard, bool finished)
{
	_Atomic uint8_t *done = (_Atomic uint8_t *)guard, *busy = done + 1;
	if (finished)
		atomic_store(done, 1);
	atomic_store(busy, 0);
}

static void leaving(int64_t *guard)
{
	struct thread *t = hook_thread();
	if (!t || likely(!t->race))
		return;
	gate_shut();
	access_sync(t, (uintptr_t)guard, 1, false, 0);
	gate_open();
}

EXPORT int __cxa_guard_acquire(int64_t *guard)
{
	struct thread *t = hook_thread();
	if (!real_acquire)
		real_acquire = (int (*)(int64_t *))find("__cxa_guard_acquire");
	int mine = real_acquire ? real_acquire(guard) : own_acquire(guard);
	if (t)
		happens_after(t, (uintptr_t)guard);
	return mine;
}

EXPORT void __cxa_guard_release(int64_t *guard)
{
	leaving(guard);
	if (!real_release)
		real_release = (void (*)(int64_t *))find("__cxa_guard_release");
	if (real_release)
		real_release(guard);
	else
		own_leave(guard, true);
}

EXPORT void __cxa_guard_abort(int64_t *guard)
{
	leaving(guard);
	if (!real_abort)
		real_abort = (void (*)(int64_t *))find("__cxa_guard_abort");
	if (real_abort)
		real_abort(guard);
	else
		own_leave(guard, false);
}
