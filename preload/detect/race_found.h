/* race_found.h - From a race to a finding. */
#ifndef SNARL_DETECT_RACE_FOUND_H
#define SNARL_DETECT_RACE_FOUND_H

#include "detect/guard.h"
#include "detect/race.h"

/* Tells the journal, once for each pair of places. Gate shut; takes RANK_THREADS and RANK_EMIT. */
void race_found(struct thread *t, const struct race_report *r);
/* A write without the lock that usually guards the place, and the last one under it. The same. */
void guard_found(const struct guard_report *r);
/* What goes out from that stack is a block being freed, not an access: said in the finding, as long as it is remembered. */
void race_found_freed(uint32_t stack);
void race_found_fork_child(void);

#endif
