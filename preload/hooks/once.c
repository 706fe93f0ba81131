/*
 * once.c - pthread_once and call_once: while the initialiser runs, the control is a lock that everybody else waits for.
 * The initialiser may be left by an exception or cancellation; the control is then as if never called.
 */
#include "hooks/interpose.h"

#include <pthread.h>
#include <threads.h>

#define ONCE_IDLE 0
#define ONCE_DONE 2 /* glibc: __PTHREAD_ONCE_DONE */

struct running {
	struct thread *t;
	uintptr_t addr;
};

static void left(struct running *r)
{
	if (tls.inside == 0) {
		lock_gone(r->t, r->addr);
		happens_before(r->t, r->addr);
	}
}

/* What the real call runs in our thread's place; it takes no argument, hence the thread's own word. */
struct once_frame {
	void (*init)(void);
	uintptr_t addr;
	struct taking k;
	struct once_frame *outer;
};

static void run_init(void)
{
	struct thread *t = tls.thread;
	struct once_frame *f = t->once_fn;
	struct running r __attribute__((cleanup(left), unused)) = { t, f->addr };
	wait_end(t); /* we are the one that runs it */
	lock_got(t, f->addr, FAMILY_ONCE, ORDER_BLOCK, f->k);
	t->once_fn = f->outer;
	f->init();
}

struct once_call {
	struct thread *t;
	struct once_frame *outer;
	uintptr_t addr;
};

static void over(struct once_call *c)
{
	if (tls.inside == 0) {
		c->t->once_fn = c->outer;
		wait_end(c->t);
		happens_after(c->t, c->addr);
	}
}

/* Published as a wait; the one who runs the initialiser unpublishes it again first thing. */
static int once(void *control, void (*init)(void), int (*call)(void *, void (*)(void)), struct site site, const char *name)
{
	struct thread *t = hook_thread();
	uintptr_t addr = (uintptr_t)control;
	if (!t)
		return call(control, init);
	if (*(volatile int *)control == ONCE_DONE) {
		/* Too late to wait for it in this run; another run may come earlier. */
		if (t->nr_held)
			lock_want(t, addr, FAMILY_ONCE, ORDER_BLOCK, site);
		happens_after(t, addr);
		return call(control, init);
	}
	struct taking k = lock_want(t, addr, FAMILY_ONCE, ORDER_BLOCK, site);
	/* Left by an exception that passed our clean-up over (unwind.c): nobody is inside it now. */
	while (*(volatile int *)control == ONCE_IDLE && lock_held(t, addr))
		lock_gone(t, addr);
	if (lock_held(t, addr)) {
		hang_on_itself(t, addr, k.lock, ORDER_WRITE, site, name, KIND_SELF_DEADLOCK);
		return call(control, init);
	}
	struct once_frame f = { init, addr, k, t->once_fn };
	struct once_call c __attribute__((cleanup(over), unused)) = { t, t->once_fn, addr };
	t->once_fn = &f;
	struct thread *owner;
	bool contended = lock_held_by_any(k.lock, &owner);
	wait_publish(t, &(struct waiting){ .kind = WAIT_LOCK, .timed = !contended, .lock = k.lock, .addr = addr,
					   .stack = k.stack, .call = name });
	if (contended)
		wait_look(t);
	else
		wait_seen(t);
	return call(control, run_init);
}

static int call_pthread_once(void *control, void (*init)(void));
static int call_call_once(void *control, void (*init)(void));

INTERPOSE(int, pthread_once, (pthread_once_t *control, void (*init)(void)))
{
	return once(control, init, call_pthread_once, SITE(), "pthread_once");
}

INTERPOSE(void, call_once, (once_flag *control, void (*init)(void)))
{
	once(control, init, call_call_once, SITE(), "call_once");
}

static int call_pthread_once(void *control, void (*init)(void)) { return REAL(pthread_once)(control, init); }

static int call_call_once(void *control, void (*init)(void))
{
	REAL(call_once)(control, init);
	return 0;
}
