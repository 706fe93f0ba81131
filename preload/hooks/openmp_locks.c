/*
 * openmp_locks.c - OpenMP's locks, and GCC's critical sections: one after the other.
 *
 * source: omp.h and libgomp_g.h of GCC 12.
 */
#include "hooks/openmp.h"

#define TAKES(name, key_of)                           \
	EXPORT void name(void *lock);                 \
	EXPORT void name(void *lock)                  \
	{                                             \
		OMP_FIND(name, void (*real)(void *)); \
		if (real)                             \
			real(lock);                   \
		omp_after(key_of);                    \
	}
#define GIVES(name, key_of)                           \
	EXPORT void name(void *lock);                 \
	EXPORT void name(void *lock)                  \
	{                                             \
		OMP_FIND(name, void (*real)(void *)); \
		omp_before(key_of);                   \
		if (real)                             \
			real(lock);                   \
	}
#define TRIES(name)                                  \
	EXPORT int name(void *lock);                 \
	EXPORT int name(void *lock)                  \
	{                                            \
		OMP_FIND(name, int (*real)(void *)); \
		int taken = real ? real(lock) : 1;   \
		if (taken)                           \
			omp_after(lock);             \
		return taken;                        \
	}

/* Fortran's have an underscore. */
TAKES(omp_set_lock, lock)
TAKES(omp_set_lock_, lock)
TAKES(omp_set_nest_lock, lock)
TAKES(omp_set_nest_lock_, lock)
GIVES(omp_unset_lock, lock)
GIVES(omp_unset_lock_, lock)
GIVES(omp_unset_nest_lock, lock)
GIVES(omp_unset_nest_lock_, lock)
TRIES(omp_test_lock)
TRIES(omp_test_lock_)
TRIES(omp_test_nest_lock)
TRIES(omp_test_nest_lock_)

TAKES(GOMP_critical_name_start, lock)
GIVES(GOMP_critical_name_end, lock)

/* Those without a name. They take no argument; one more register handed on is nothing to them. */
static char critical, atomic;
TAKES(GOMP_critical_start, &critical)
GIVES(GOMP_critical_end, &critical)
TAKES(GOMP_atomic_start, &atomic)
GIVES(GOMP_atomic_end, &atomic)
