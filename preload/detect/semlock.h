/*
 * semlock.h - Semaphores used as locks: part of the order graph and of the wait-for graph until they show that they are none.
 *
 * A semaphore initialised to 1 may be a lock: whoever waited for it holds it, and posts it. It is a signal, for ever, as soon as
 * it is posted by somebody who does not hold it, taken while somebody holds it, or waited for by its own holder: its edges go
 * and what was found through it and not told yet is forgotten. So a cycle through semaphores is kept back until every one of
 * them has been taken and posted twice and none of the cycle's threads holds one; a live ring, until each of them has been
 * posted once by its holder (or its hold is known to end in a post) and the ring has stood for a third of a second.
 *
 * locks: RANK_SEMLOCK; then order's and emit's.
 */
#ifndef SNARL_DETECT_SEMLOCK_H
#define SNARL_DETECT_SEMLOCK_H

#include "core/object.h"
#include "core/thread.h"
#include "detect/order.h"

struct taking;

HOT enum sem_role semlock_role(uint32_t id)
{
	if (!id || id >> OBJECT_FAMILY_SHIFT != FAMILY_SEM)
		return SEM_SIGNAL;
	return (enum sem_role)atomic_load_explicit(&object_by_id(id)->sem.role, memory_order_relaxed);
}

/* It has just been initialised to this. shared: other processes may use it. */
void semlock_born(uint32_t id, unsigned value, bool shared);
/* After the wait: the calling thread has it. scoped: whoever holds it is bound to post it (a with statement). */
void semlock_got(struct thread *t, uintptr_t addr, uint32_t key, struct taking k, bool scoped);
/* Before the real post by the calling thread. Async-signal-safe. */
void semlock_posted(struct thread *t, uintptr_t addr, uint32_t id);
/* It is a signal. Async-signal-safe with the gate open. */
void semlock_not(uint32_t id);
/* The same where nothing may be touched but its own word. */
void semlock_doubt(uintptr_t addr);
/* It ends (destroyed, freed, initialised again) or its holder does. */
void semlock_gone(uint32_t id);

/* It will be posted by t when t ends, and not before: waiting for it is joining t. */
void semlock_ends_thread(struct thread *t, uint32_t id);
/* Has it told so? (0: no such semaphore.) */
HOT bool semlock_told_end(uint32_t id) { return id && atomic_load(&object_by_id(id)->sem.pairs); }
/* The calling thread has got it, which has been posted. */
void semlock_ended(struct thread *t, uint32_t id);
/* From here on semaphores are in the wait-for graph only: how they are taken cannot be told. */
void semlock_only_wait(void);

/* The thread that holds it, NULL: none known. */
struct thread *semlock_holder(uint32_t id);
/* Is it as good as certain that only its holder posts it? */
bool semlock_proven(uint32_t id);

/* Keeps back, drops or hands on a cycle of the order graph to `report`, between which and order_on_cycle it puts itself. */
void semlock_cycle(const struct order_cycle *c);
void semlock_on_cycle(void (*report)(const struct order_cycle *));

void semlock_fork_child(void);

#endif
