/*
 * waitfor.h - The wait-for graph: who waits for whom, right now.
 *
 * A thread publishes its wait, fences, tries once more, then follows waiter -> owner -> waiter. The last one to close a ring
 * has seen all the others' records, because each published before it looked. A ring counts only if every member is still in
 * the same wait, and every lock still has the same owner, on a second walk: a thread inside its published wait cannot
 * release anything, so what both walks saw was so all the time between them.
 */
#ifndef SNARL_DETECT_WAITFOR_H
#define SNARL_DETECT_WAITFOR_H

#include "detect/verbs.h"

/* Semaphores in a ring: only such as are proven locks, or any, because everybody is asleep. */
enum ring_trust { RING_PROVEN, RING_ANY };

/* A ring through t's published wait. Reports it. `patient`: also look where no hook can (a condition waiter that was woken
 * and sleeps on its mutex), at the price of system calls. Returns true when one was found (reported now or before). */
bool waitfor_ring(struct thread *t, bool patient, enum ring_trust trust);

/* The lock t waits for belongs to a thread that is gone. Reports it. */
bool waitfor_dead_owner(struct thread *t);

/* Everybody is asleep. t: the one about to sleep; NULL: the caller ends and is counted out already. Reports it. */
bool waitfor_stall(struct thread *t, bool patient);

/* A thread ends and keeps this lock: reports every wait for it. */
void waitfor_orphan(struct thread *owner, const struct held *h);

/* What to do once a finding says that the program hangs for good (deadlock=exit|abort). */
void waitfor_on_hang(void (*f)(void));
void waitfor_hang(void);

/* Does thread u hold this object, by our records or by the object's own word? */
bool waitfor_owns(struct thread *u, uint32_t lock, uintptr_t addr, uint32_t *stack, uint32_t *key);

/* Is the thread asleep in a futex call? addr gets its address. False: running, elsewhere, or /proc cannot tell. */
bool waitfor_in_futex(int tid, uintptr_t *addr);

/* Untimed sleepers. */
extern _Atomic uint32_t waitfor_nr_asleep;
extern _Atomic uint32_t waitfor_outside; /* enum outside */

#endif
