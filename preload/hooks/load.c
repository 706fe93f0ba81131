/*
 * load.c - Libraries that come and go.
 *
 * The loader runs constructors and destructors under a lock of its own: who gets a handle comes after the constructors, whichever thread
 * ran them. So what is after a dlopen comes after all that others had done until theirs returned; one key for all
 * libraries, because a handle stands for what the library needs as well.
 *
 * dlopen looks at its caller: for $ORIGIN, and for RPATH and RUNPATH. Where that may matter it is entered as if from the program: a
 * tail call, and no order is known of it. What it has loaded is found when an address in it first turns up (core/module.h).
 * dlclose does not care who calls. source: glibc 2.36, elf/dl-open.c (call_map), elf/dl-load.c (l_loader)
 */
#include "hooks/process.h"

#include "base/sys.h"
#include "hooks/interpose.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

#if defined(__clang__)
#define TAIL_CALL __attribute__((musttail))
#else
#define TAIL_CALL /* gcc makes it one at -O2; a test looks */
#endif

REAL_OF(dlopen);

struct asked {
	uintptr_t caller;
	bool by_name; /* to be searched for */
	bool main_seen, matters;
};

static int look(struct dl_phdr_info *info, size_t bytes, void *arg)
{
	struct asked *a = arg;
	bool main = !a->main_seen, calls = false, rpath = false, runpath = false;
	const ElfW(Dyn) *d = NULL;
	(void)bytes;
	a->main_seen = true;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		if (p->p_type == PT_LOAD && a->caller - (info->dlpi_addr + p->p_vaddr) < p->p_memsz)
			calls = true;
		if (p->p_type == PT_DYNAMIC)
			d = (const ElfW(Dyn) *)(info->dlpi_addr + p->p_vaddr);
	}
	for (; d && d->d_tag != DT_NULL; d++) {
		rpath |= d->d_tag == DT_RPATH;
		runpath |= d->d_tag == DT_RUNPATH;
	}
	/* The executable's RPATH counts for everybody; a library's for those it has loaded. */
	a->matters |= (rpath && !main) || (runpath && calls && a->by_name);
	return a->matters;
}

static COLD bool caller_matters(const char *file, uintptr_t caller)
{
	struct asked a = { .caller = caller, .by_name = file && !strchr(file, '/') };
	if (file && strchr(file, '$'))
		return true;
	dl_iterate_phdr(look, &a);
	return a.matters;
}

/* Who has the loader's lock no longer may not have said so yet: not to be waited for for long, for another may be in its constructors. */
static _Atomic uint32_t nr_opening;

static void others_say_so(void)
{
	uint32_t n;
	for (int i = 0; i < 50 && (n = atomic_load(&nr_opening)) > 0; i++)
		sys_futex_wait(&nr_opening, n, 100000);
}

struct opening {
	struct thread *t;
	bool done;
};

static void opened(struct opening *o)
{
	if (o->done && hook_thread()) /* by now every thread has been told that modules changed */
		happens_before(o->t, KEY_LOADER);
	if (atomic_fetch_sub(&nr_opening, 1) == 1)
		return;
	sys_futex_wake(&nr_opening, 1);
}

static COLD void *open_in_order(struct thread *t, const char *file, int mode)
{
	void *handle;
	happens_after(t, KEY_LOADER); /* its constructors, too */
	{
		struct opening o __attribute__((cleanup(opened))) = { t, false };
		atomic_fetch_add(&nr_opening, 1);
		handle = real_dlopen(file, mode);
		o.done = true;
	}
	others_say_so();
	if (hook_thread())
		happens_after(t, KEY_LOADER);
	return handle;
}

INTERPOSE(void *, dlopen, (const char *file, int mode))
{
	struct thread *t = hook_thread();
	if (unlikely(!real_dlopen))
		hook_resolve_slow(&row_dlopen);
	if (t && t->race && !caller_matters(file, (uintptr_t)__builtin_return_address(0)))
		return open_in_order(t, file, mode);
	TAIL_CALL return real_dlopen(file, mode);
}

INTERPOSE(int, dlclose, (void *handle))
{
	struct thread *t = hook_thread();
	if (t) {
		happens_before(t, KEY_LOADER); /* what it did with the library, before the destructors that another may run */
		happens_after(t, KEY_LOADER);
	}
	/* Before, so that a library nobody has asked about yet is known; after, so that it is known to be gone. */
	if (t && process_events.modules_changed)
		process_events.modules_changed();
	int r = REAL(dlclose)(handle);
	if (t && hook_thread())
		happens_before(t, KEY_LOADER);
	if (t && r == 0 && process_events.modules_changed)
		process_events.modules_changed();
	return r;
}
