/*
 * lock_memory.c - mlockall would make all of our tables present: planes are terabytes of address space. Pages are locked as they are
 * touched instead (MCL_ONFAULT). The limit on locked memory counts address space: where it refuses, that is because of ours, and a
 * program that was allowed to lock its own goes on.
 */
#include "hooks/interpose.h"

#include <errno.h>
#include <sys/mman.h>

INTERPOSE(int, mlockall, (int flags))
{
	int saved = errno, known = MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT;
	bool valid = flags & (MCL_CURRENT | MCL_FUTURE) && !(flags & ~known);
	int r = REAL(mlockall)(valid ? flags | MCL_ONFAULT : flags);
	if (r == 0 || !valid || !race_on || errno != ENOMEM)
		return r;
	errno = saved;
	return 0;
}
