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

/* Is it asleep in this wait of its own, or (a condition wait) on its way out of it? */
bool waitfor_sleeps_in(int tid, const struct wait *w);
bool waitfor_sleeps_on_mutex(int tid, const struct wait *w);

/* Is u still in this wait, number seq, and not left it by a jump? Waits up to patience_ns for it to lie down. */
bool waitfor_lives(struct thread *u, const struct wait *w, uint32_t seq, uint64_t patience_ns);

/* /proc does not tell who sleeps. */
extern _Atomic bool waitfor_blind;

/* Untimed sleepers. */
extern _Atomic uint32_t waitfor_nr_asleep;
extern _Atomic uint32_t waitfor_outside; /* enum outside */

#endif
