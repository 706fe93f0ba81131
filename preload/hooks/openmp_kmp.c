/*
 * openmp_kmp.c - LLVM's and Intel's OpenMP: entry points that the compiler calls, for what openmp_ompt.c cannot hear in
 * time.
 *
 * source: kmp.h and kmp_csupport.cpp of LLVM 14.
 */
#include "hooks/openmp.h"

/* ---- one after the other ------------------------------------------------------------------------------------------
 */

EXPORT void __kmpc_critical(void *where, int thread, void *name);
EXPORT void __kmpc_critical(void *where, int thread, void *name)
{
	OMP_FIND(__kmpc_critical, void (*real)(void *, int, void *));
	if (real)
		real(where, thread, name);
	omp_after(name);
}

EXPORT void __kmpc_critical_with_hint(void *where, int thread, void *name, uint32_t hint);
EXPORT void __kmpc_critical_with_hint(void *where, int thread, void *name, uint32_t hint)
{
	OMP_FIND(__kmpc_critical_with_hint, void (*real)(void *, int, void *, uint32_t));
	if (real)
		real(where, thread, name, hint);
	omp_after(name);
}

EXPORT void __kmpc_end_critical(void *where, int thread, void *name);
EXPORT void __kmpc_end_critical(void *where, int thread, void *name)
{
	OMP_FIND(__kmpc_end_critical, void (*real)(void *, int, void *));
	omp_before(name);
	if (real)
		real(where, thread, name);
}

static char ordered;

EXPORT void __kmpc_ordered(void *where, int thread);
EXPORT void __kmpc_ordered(void *where, int thread)
{
	OMP_FIND(__kmpc_ordered, void (*real)(void *, int));
	if (real)
		real(where, thread);
	omp_after(&ordered);
}

EXPORT void __kmpc_end_ordered(void *where, int thread);
EXPORT void __kmpc_end_ordered(void *where, int thread)
{
	OMP_FIND(__kmpc_end_ordered, void (*real)(void *, int));
	omp_before(&ordered);
	if (real)
		real(where, thread);
}

/* The caller adds its share, or that of all, between the two calls. */
#define REDUCE(name)                                                                                             \
	EXPORT int name(void *where, int thread, int vars, size_t bytes, void *data, void (*f)(void *, void *),  \
			void *lock);                                                                             \
	EXPORT int name(void *where, int thread, int vars, size_t bytes, void *data, void (*f)(void *, void *),  \
			void *lock)                                                                              \
	{                                                                                                        \
		OMP_FIND(name, int (*real)(void *, int, int, size_t, void *, void (*)(void *, void *), void *)); \
		int how = real ? real(where, thread, vars, bytes, data, f, lock) : 1;                            \
		omp_after(lock);                                                                                 \
		return how;                                                                                      \
	}
REDUCE(__kmpc_reduce)
REDUCE(__kmpc_reduce_nowait)

#define END_REDUCE(name)                                           \
	EXPORT void name(void *where, int thread, void *lock);     \
	EXPORT void name(void *where, int thread, void *lock)      \
	{                                                          \
		OMP_FIND(name, void (*real)(void *, int, void *)); \
		omp_before(lock);                                  \
		if (real)                                          \
			real(where, thread, lock);                 \
		omp_after(lock);                                   \
	}
END_REDUCE(__kmpc_end_reduce)
END_REDUCE(__kmpc_end_reduce_nowait)

/* ---- tasks --------------------------------------------------------------------------------------------------------
 */

struct depend {
	uintptr_t addr;
	size_t bytes;
	uint8_t flags;
};
#define DEPEND_IN 1u /* and nothing else */

/* Before a task that is not deferred, and for a taskwait with dependences. */
EXPORT void __kmpc_omp_wait_deps(void *where, int thread, int n, const struct depend *d, int n2,
				 const struct depend *d2);
EXPORT void __kmpc_omp_wait_deps(void *where, int thread, int n, const struct depend *d, int n2,
				 const struct depend *d2)
{
	OMP_FIND(__kmpc_omp_wait_deps,
		 void (*real)(void *, int, int, const struct depend *, int, const struct depend *));
	if (real)
		real(where, thread, n, d, n2, d2);
	for (int i = 0; i < n; i++)
		omp_depended(d[i].addr, d[i].flags != DEPEND_IN);
	for (int i = 0; i < n2; i++)
		omp_depended(d2[i].addr, d2[i].flags != DEPEND_IN);
}

/* A task's memory is handed out by the runtime's own allocator, and what was in it is over. */
EXPORT void *__kmpc_omp_task_alloc(void *where, int thread, int flags, size_t bytes, size_t shared, void *entry);
EXPORT void *__kmpc_omp_task_alloc(void *where, int thread, int flags, size_t bytes, size_t shared, void *entry)
{
	OMP_FIND(__kmpc_omp_task_alloc, void *(*real)(void *, int, int, size_t, size_t, void *));
	void *task = real ? real(where, thread, flags, bytes, shared, entry) : NULL;
	struct thread *t = task ? hook_thread() : NULL;
	if (t && t->race) {
		gate_shut();
		mem_fresh(t, (uintptr_t)task, ((bytes + 7) & ~7ul) + shared, 0);
		gate_open();
	}
	return task;
}
