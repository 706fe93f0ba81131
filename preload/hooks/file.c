/* file.c - stdio's lock of a FILE, where the program takes it itself. What printf does inside libc passes no hook. */
#include "hooks/interpose.h"

#include <stdio.h>

REAL_OF(ftrylockfile);
REAL_OF(flockfile);

static void over(struct thread **t)
{
	if (*t && tls.inside == 0)
		wait_end(*t);
}

static COLD void lock_slow(struct thread *t, FILE *f, struct taking k)
{
	wait_begin(t, &(struct waiting){ .kind = WAIT_LOCK, .lock = k.lock, .addr = (uintptr_t)f, .stack = k.stack,
					 .call = "flockfile" });
	struct thread *waiting __attribute__((cleanup(over), unused)) = t;
	real_flockfile(f);
}

INTERPOSE(int, ftrylockfile, (FILE *f))
{
	struct thread *t = hook_thread();
	int r = REAL(ftrylockfile)(f);
	if (!t || r)
		return r;
	struct held *h = lock_held(t, (uintptr_t)f);
	if (h)
		h->count++;
	else
		lock_got(t, (uintptr_t)f, FAMILY_FILE, ORDER_TRY, lock_want(t, (uintptr_t)f, FAMILY_FILE, ORDER_TRY, SITE()));
	happens_after(t, (uintptr_t)f);
	return r;
}

INTERPOSE(void, flockfile, (FILE *f))
{
	struct thread *t = hook_thread();
	struct held *h = t ? lock_held(t, (uintptr_t)f) : NULL;
	if (!t || h) { /* recursive by nature */
		REAL(flockfile)(f);
		if (h)
			h->count++;
		return;
	}
	struct taking k = lock_want(t, (uintptr_t)f, FAMILY_FILE, ORDER_BLOCK, SITE());
	if (real_ftrylockfile(f) != 0)
		lock_slow(t, f, k);
	lock_got(t, (uintptr_t)f, FAMILY_FILE, ORDER_BLOCK, k);
	happens_after(t, (uintptr_t)f);
}

INTERPOSE(void, funlockfile, (FILE *f))
{
	struct thread *t = hook_thread();
	if (t) {
		lock_gone(t, (uintptr_t)f);
		happens_before(t, (uintptr_t)f);
	}
	REAL(funlockfile)(f);
}
