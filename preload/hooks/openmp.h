/*
 * openmp.h - What the constructs of OpenMP order, whichever runtime carries them out.
 *
 * The runtimes wait in futexes of their own, which no hook sees, and pass work around by atomics that order far more
 * than the language promises: tasks that share nothing meet in one queue. So nothing is concluded from what they do
 * inside; what their entry points (openmp_gomp.c, openmp_kmp.c) or callbacks (openmp_ompt.c) say is what counts, as
 * OpenMP means it.
 *
 * The members of the structures are keys: nothing but their addresses matters.
 */
#ifndef SNARL_HOOKS_OPENMP_H
#define SNARL_HOOKS_OPENMP_H

#include "hooks/interpose.h"

/* One parallel region's threads. */
struct omp_team {
	uint64_t fork, join, ordered, posts;
	uint64_t barrier[2]; /* by turns: whoever is late to leave one hears nothing of the next one's arrivals */
};

struct omp_group {
	uint64_t done;
	struct omp_group *outer;
};

struct omp_depend {
	uintptr_t addr;
	bool writes;
};

/* Implicit ones, too: one for each thread of a region. Lives as long as it runs and has children. */
struct omp_task {
	uint64_t created, children;
	struct omp_task *parent;
	struct omp_team *team; /* NULL: outside of all regions */
	struct omp_group *group;
	struct omp_depend *depend;
	uint32_t nr_depend;
	uint32_t round; /* barriers passed by the thread whose implicit task it is or descends from */
	_Atomic uint32_t refs;
	bool begun;
};

/* Is it worth telling order at all? */
HOT bool omp_wanted(void)
{
	return race_wanted || race_on;
}

void omp_before(const void *key);
void omp_after(const void *key);
void omp_forget(const void *key);

/* NULL: no memory. */
struct omp_team *omp_team_new(void);
void omp_team_free(struct omp_team *team);
void omp_team_begin(struct omp_team *team);
/* In the thread that made it, when all is over. */
void omp_team_end(struct omp_team *team);

/* NULL: no memory. */
struct omp_task *omp_task_implicit(struct omp_team *team);
/* In the creator. */
struct omp_task *omp_task_create(struct omp_task *parent);
void omp_task_depends(struct omp_task *k, uintptr_t addr, bool writes);
/* Those it depends on are over. */
void omp_depended(uintptr_t addr, bool writes);
/* In whoever runs it. omp_task_ended may be said several times (a detached task's end and its event). */
void omp_task_begins(struct omp_task *k);
void omp_task_ended(struct omp_task *k);
void omp_task_free(struct omp_task *k);

void omp_arrive(struct omp_task *k);
void omp_leave(struct omp_task *k);
void omp_group_begin(struct omp_task *k);
void omp_group_end(struct omp_task *k);

/* The function of that name in the runtime that the caller uses; cached. NULL: there is none. */
void *omp_real(void *_Atomic *at, const char *name, void *caller);
/* Declares `real`, of the type given, in a function that stands before the one named. */
#define OMP_FIND(name, ...)             \
	static void *_Atomic at_##name; \
	__VA_ARGS__ = (__typeof__(real))omp_real(&at_##name, #name, __builtin_return_address(0))

#endif
