/* grow.h - Arrays that grow, on whole pages of the arena; for the planner, whose tables live for one call. */
#ifndef SNARL_WATCH_GROW_H
#define SNARL_WATCH_GROW_H

#include <string.h>

#include "base/arena.h"

/* Makes room for `need` elements in *array, of which `used` are to be kept. *cap is 0 with a NULL array. False: no
 * memory. */
static inline bool grow(void *array, size_t *cap, size_t used, size_t need, size_t bytes)
{
	void **p = array;
	if (likely(need <= *cap))
		return true;
	size_t more = *cap + *cap / 2;
	if (more < need)
		more = need;
	if (more * bytes < 65536)
		more = 65536 / bytes;
	void *q = arena_map(more * bytes);
	if (!q)
		return false;
	if (*p) {
		memcpy(q, *p, used * bytes);
		arena_unmap(*p, *cap * bytes);
	}
	*p = q;
	*cap = more;
	return true;
}

static inline void ungrow(void *array, size_t *cap, size_t bytes)
{
	void **p = array;
	if (*p)
		arena_unmap(*p, *cap * bytes);
	*p = NULL;
	*cap = 0;
}

#endif
