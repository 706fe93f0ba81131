#include "hooks/interpose.h"

#include "base/spin.h"
#include "base/sys.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

extern struct hook_row __start_snarl_hooks[], __stop_snarl_hooks[];

_Atomic bool hook_on;

ALIGNS void *hook_resolve_slow(const struct hook_row *row)
{
	/* dlsym may come back to us (an allocator's hook); whoever comes then finds the pointer empty and asks again. */
	gate_shut();
	void *p = row->version ? dlvsym(RTLD_NEXT, row->name, row->version) : dlsym(RTLD_NEXT, row->name);
	gate_open();
	*row->real = p;
	return p;
}

void hook_resolve_all(void)
{
	for (struct hook_row *row = __start_snarl_hooks; row < __stop_snarl_hooks; row++)
		if (!*row->real)
			hook_resolve_slow(row);
}

static void disown(struct thread *t)
{
	uintptr_t addr = atomic_exchange(&t->disowned, 0);
	struct held *h = addr ? lock_held(t, addr) : NULL;
	if (!h)
		return;
	h->count = 1;
	lock_gone_slow(t, addr);
}

/* It may be an array of one of the thread's own frames. */
static bool on_alternate_stack(void)
{
	stack_t ss = { 0 };
	return sys2(SYS_sigaltstack, NULL, &ss) != 0 || ss.ss_flags & SS_ONSTACK;
}

struct thread *hook_thread_slow(void)
{
	struct thread *t = tls.thread;
	uintptr_t sp = (uintptr_t)__builtin_frame_address(0);
	if (tls.inside >= GATE_IN && t && sp > tls.inside_sp && tls.inside_sp >= t->stacks.lo && sp < t->stacks.hi && !spin_inside() &&
	    !on_alternate_stack()) {
		tls.inside &= GATE_NEW | GATE_DEAD; /* the frame that shut it was left by longjmp */
		wait_seen(t);
	}
	if (tls.inside >= GATE_IN || tls.inside & GATE_DEAD)
		return NULL;
	if (tls.inside & GATE_NEW)
		return hook_attach(NULL, 0, 0);
	uint32_t poked = atomic_exchange(&tls.poked, 0);
	if (poked & POKE_OFF) {
		tls.inside |= GATE_DEAD;
		return NULL;
	}
	if (poked & POKE_FLUSH)
		stack_cache_reset(&t->stacks, t->stacks.lo, t->stacks.hi);
	if (poked & POKE_DISOWN)
		disown(t);
	return t;
}

static ALIGNS void own_stack(uintptr_t *lo, uintptr_t *hi)
{
	*lo = *hi = 0;
	pthread_attr_t attr;
	void *at;
	size_t bytes;
	if (pthread_getattr_np(pthread_self(), &attr) != 0)
		return;
	if (pthread_attr_getstack(&attr, &at, &bytes) == 0) {
		*lo = (uintptr_t)at;
		*hi = (uintptr_t)at + bytes;
	}
	pthread_attr_destroy(&attr);
}

struct thread *hook_attach(struct thread_info *info, uintptr_t lo, uintptr_t hi)
{
	if (!atomic_load_explicit(&hook_on, memory_order_acquire) || tls.inside != GATE_NEW)
		return NULL;
	tls.inside = GATE_IN;
	if (!hi && !sys_confined.on)
		own_stack(&lo, &hi);
	struct thread *t = thread_attach(info, (uintptr_t)pthread_self(), lo, hi);
	if (!t) {
		tls.inside = GATE_DEAD;
		return NULL;
	}
	order_cache_start(order_cache_of(t));
	race_thread_started(t);
	hook_mark_exit(t);
	tls.inside = 0;
	return t;
}

const char *hook_errno_name(int error)
{
	return error ? strerrorname_np(error) : NULL;
}

void hook_call_failed(struct thread *t, uintptr_t addr, enum object_family family, int error, struct site site, const char *call)
{
	uint32_t id = object_here(t, addr, family, site, false);
	enum kind kind = error == EDEADLK ? KIND_RELOCK : KIND_CALL_ERROR;
	misuse_found(t, &(struct misuse){ .kind = kind, .grade = -1, .call = call, .lock = id, .error = hook_errno_name(error),
					  .message = kind == KIND_RELOCK ? "the calling thread holds it already, and the call said so"
									 : "the call returned an error" },
		     site);
}

struct timespec slices_next(struct slices *s)
{
	s->ns = s->ns ? s->ns * 2 : 250000000;
	if (s->ns > 4000000000u)
		s->ns = 4000000000u;
	uint64_t at = sys_clock_ns() + s->ns;
	return (struct timespec){ (time_t)(at / 1000000000u), (long)(at % 1000000000u) };
}
