/* happens.c - What calls say to the race detector: order, and which memory they use themselves. */
#include "detect/hybrid.h"
#include "detect/verbs.h"

void happens_before_slow(struct thread *t, uintptr_t key)
{
	gate_shut();
	sync_send(t, key);
	race_set_changed(t->race);
	gate_open();
}

void happens_after_slow(struct thread *t, uintptr_t key)
{
	gate_shut();
	/* To lock it is to use its memory: an initialisation or the end of that memory, in no order with it, is a race. */
	uint32_t n = atomic_load_explicit(&t->nr_held, memory_order_relaxed);
	if (n && t->held[n - 1].addr == key && t->held[n - 1].family != FAMILY_FILE) {
		if (n == 1)
			t->race->set = 0; /* it did not hold it yet: no set of locks for each one that is locked once */
		if (unlikely(!access_fast(t->race, key, 1, false, t->held[n - 1].stack)))
			access_seen(t, key, 1, false, t->held[n - 1].stack);
	}
	sync_recv(t, key);
	race_set_changed(t->race);
	if (unlikely(race_hybrid) && n && t->held[n - 1].addr == key)
		hybrid_locked(t);
	gate_open();
}

void happens_over_slow(uintptr_t addr, size_t bytes)
{
	gate_shut();
	sync_drop(addr);
	if (bytes > 1) /* the readers of a read-write lock */
		sync_drop(addr + 1);
	gate_open();
}

void object_written_slow(struct thread *t, uintptr_t addr, size_t bytes, struct site site)
{
	uint32_t stack = site_stack(t, site);
	gate_shut();
	access_seen(t, addr, bytes, true, stack);
	gate_open();
}
