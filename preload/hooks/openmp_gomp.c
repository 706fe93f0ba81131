/*
 * openmp_gomp.c - GCC's OpenMP: the entry points that the compiler calls.
 *
 * A region's or task's function is called by way of ours, which says when it begins and ends in the thread that runs
 * it; the rest is told where the program calls. Only what orders is here: that loops hand out their iterations by an
 * atomic counter, or that one thread of the team comes first to a `single`, is no order in OpenMP.
 *
 * source: libgomp.map, libgomp_g.h, parallel.c and task.c of GCC 12. Where the runtime is missing (a weak reference
 * that found us), the program has one thread.
 */
#include "hooks/openmp.h"

#include "base/arena.h"

#include <stdarg.h>
#include <string.h>

/* What the calling thread works at; NULL outside of all regions. */
static __thread struct omp_task *here __attribute__((tls_model("initial-exec")));

/* ---- regions ----------------------------------------------------------------------------------------------------- */

struct region {
	void *word; /* the first of the program's data: GOMP_parallel_reductions looks at it */
	void (*fn)(void *);
	void *data;
	struct omp_team team;
	struct region *outer; /* of GOMP_parallel_start, which returns */
	struct omp_task *before;
};

static void region_run(void *p)
{
	struct region *r = p;
	struct omp_task *before = here, *k = omp_task_implicit(&r->team);
	here = k;
	omp_after(&r->team.fork);
	r->fn(r->data);
	omp_before(&r->team.join);
	here = before;
	omp_task_free(k);
}

#define REGION(...) (void (*fn)(void *), void *data, unsigned threads, ##__VA_ARGS__)
#define LOOP        long from, long to, long by
#define PARALLEL(name, params, ...)                                   \
	EXPORT void name params;                                      \
	EXPORT void name params                                       \
	{                                                             \
		OMP_FIND(name, void(*real) params);                   \
		if (!real) {                                          \
			fn(data);                                     \
		} else if (!omp_wanted()) {                           \
			real(fn, data, threads, __VA_ARGS__);         \
		} else {                                              \
			struct region r = { .fn = fn, .data = data }; \
			omp_team_begin(&r.team);                      \
			real(region_run, &r, threads, __VA_ARGS__);   \
			omp_team_end(&r.team);                        \
		}                                                     \
	}
PARALLEL(GOMP_parallel, REGION(unsigned flags), flags)
PARALLEL(GOMP_parallel_sections, REGION(unsigned count, unsigned flags), count, flags)
PARALLEL(GOMP_parallel_loop_static, REGION(LOOP, long chunk, unsigned flags), from, to, by, chunk, flags)
PARALLEL(GOMP_parallel_loop_dynamic, REGION(LOOP, long chunk, unsigned flags), from, to, by, chunk, flags)
PARALLEL(GOMP_parallel_loop_guided, REGION(LOOP, long chunk, unsigned flags), from, to, by, chunk, flags)
PARALLEL(GOMP_parallel_loop_nonmonotonic_dynamic, REGION(LOOP, long chunk, unsigned flags), from, to, by, chunk, flags)
PARALLEL(GOMP_parallel_loop_nonmonotonic_guided, REGION(LOOP, long chunk, unsigned flags), from, to, by, chunk, flags)
PARALLEL(GOMP_parallel_loop_runtime, REGION(LOOP, unsigned flags), from, to, by, flags)
PARALLEL(GOMP_parallel_loop_nonmonotonic_runtime, REGION(LOOP, unsigned flags), from, to, by, flags)
PARALLEL(GOMP_parallel_loop_maybe_nonmonotonic_runtime, REGION(LOOP, unsigned flags), from, to, by, flags)

EXPORT unsigned GOMP_parallel_reductions REGION(unsigned flags);
EXPORT unsigned GOMP_parallel_reductions REGION(unsigned flags)
{
	OMP_FIND(GOMP_parallel_reductions, unsigned(*real) REGION(unsigned));
	if (!real) {
		fn(data);
		return 1;
	}
	if (!omp_wanted())
		return real(fn, data, threads, flags);
	struct region r = { .word = *(void **)data, .fn = fn, .data = data };
	omp_team_begin(&r.team);
	unsigned n = real(region_run, &r, threads, flags);
	omp_team_end(&r.team);
	return n;
}

/* Before GCC 4.9: the caller runs its own share between two calls. */
static __thread struct region *started __attribute__((tls_model("initial-exec")));

static struct region *region_start(void (*fn)(void *), void *data)
{
	struct region *r = omp_wanted() ? arena_calloc(1, sizeof *r) : NULL;
	if (r) {
		r->fn = fn;
		r->data = data;
		r->before = here;
		r->outer = started;
		started = r;
		omp_team_begin(&r->team);
	}
	return r;
}

#define PARALLEL_START(name, params, ...)                                             \
	EXPORT void name params;                                                      \
	EXPORT void name params                                                       \
	{                                                                             \
		OMP_FIND(name, void(*real) params);                                   \
		struct region *r = real ? region_start(fn, data) : NULL;              \
		if (real)                                                             \
			real(r ? region_run : fn, r ? (void *)r : data, __VA_ARGS__); \
		if (r)                                                                \
			here = omp_task_implicit(&r->team);                           \
	}
PARALLEL_START(GOMP_parallel_start, REGION(), threads)
PARALLEL_START(GOMP_parallel_sections_start, REGION(unsigned count), threads, count)
PARALLEL_START(GOMP_parallel_loop_static_start, REGION(LOOP, long chunk), threads, from, to, by, chunk)
PARALLEL_START(GOMP_parallel_loop_dynamic_start, REGION(LOOP, long chunk), threads, from, to, by, chunk)
PARALLEL_START(GOMP_parallel_loop_guided_start, REGION(LOOP, long chunk), threads, from, to, by, chunk)
PARALLEL_START(GOMP_parallel_loop_runtime_start, REGION(LOOP), threads, from, to, by)

EXPORT void GOMP_parallel_end(void);
EXPORT void GOMP_parallel_end(void)
{
	OMP_FIND(GOMP_parallel_end, void (*real)(void));
	struct region *r = started;
	if (r) {
		omp_task_free(here);
		here = r->before;
		started = r->outer;
	}
	if (real)
		real();
	if (r) {
		omp_team_end(&r->team);
		arena_free(r);
	}
}

/* ---- barriers and what contains one ------------------------------------------------------------------------------ */

#define BARRIER(name)                               \
	EXPORT void name(void);                     \
	EXPORT void name(void)                      \
	{                                           \
		OMP_FIND(name, void (*real)(void)); \
		omp_arrive(here);                   \
		if (real)                           \
			real();                     \
		omp_leave(here);                    \
	}
#define BARRIER_CANCEL(name)                        \
	EXPORT bool name(void);                     \
	EXPORT bool name(void)                      \
	{                                           \
		OMP_FIND(name, bool (*real)(void)); \
		omp_arrive(here);                   \
		bool cancelled = real ? real() : 0; \
		omp_leave(here);                    \
		return cancelled;                   \
	}
BARRIER(GOMP_barrier)
BARRIER(GOMP_loop_end)
BARRIER(GOMP_sections_end)
BARRIER_CANCEL(GOMP_barrier_cancel)
BARRIER_CANCEL(GOMP_loop_end_cancel)
BARRIER_CANCEL(GOMP_sections_end_cancel)

EXPORT void *GOMP_single_copy_start(void);
EXPORT void *GOMP_single_copy_start(void)
{
	OMP_FIND(GOMP_single_copy_start, void *(*real)(void));
	omp_arrive(here);
	void *data = real ? real() : NULL;
	if (data) /* else it is the one, and comes by the barrier at the end of its block */
		omp_leave(here);
	return data;
}

EXPORT void GOMP_single_copy_end(void *data);
EXPORT void GOMP_single_copy_end(void *data)
{
	OMP_FIND(GOMP_single_copy_end, void (*real)(void *));
	omp_arrive(here);
	if (real)
		real(data);
	omp_leave(here);
}

/* ---- iterations in their order ----------------------------------------------------------------------------------- */

EXPORT void GOMP_ordered_start(void);
EXPORT void GOMP_ordered_start(void)
{
	OMP_FIND(GOMP_ordered_start, void (*real)(void));
	if (real)
		real();
	if (here)
		omp_after(&here->team->ordered);
}

EXPORT void GOMP_ordered_end(void);
EXPORT void GOMP_ordered_end(void)
{
	OMP_FIND(GOMP_ordered_end, void (*real)(void));
	if (here)
		omp_before(&here->team->ordered);
	if (real)
		real();
}

#define POST(name, number)                              \
	EXPORT void name(number *at);                   \
	EXPORT void name(number *at)                    \
	{                                               \
		OMP_FIND(name, void (*real)(number *)); \
		if (here)                               \
			omp_before(&here->team->posts); \
		if (real)                               \
			real(at);                       \
	}
POST(GOMP_doacross_post, long)
POST(GOMP_doacross_ull_post, unsigned long long)

/* As many numbers as the loops are deep, which the runtime knows. What is handed on beyond them nobody looks at. */
#define MAX_DEPTH 12
#define AWAIT(name, number)                                                                                    \
	EXPORT void name(number first, ...);                                                                   \
	EXPORT void name(number first, ...)                                                                    \
	{                                                                                                      \
		OMP_FIND(name, void (*real)(number, ...));                                                     \
		number n[MAX_DEPTH];                                                                           \
		va_list more;                                                                                  \
		va_start(more, first);                                                                         \
		for (unsigned i = 0; i < MAX_DEPTH; i++)                                                       \
			n[i] = va_arg(more, number);                                                           \
		va_end(more);                                                                                  \
		if (real)                                                                                      \
			real(first, n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9], n[10], n[11]); \
		if (here)                                                                                      \
			omp_after(&here->team->posts);                                                         \
	}
AWAIT(GOMP_doacross_wait, long)
AWAIT(GOMP_doacross_ull_wait, unsigned long long)

/* ---- tasks ------------------------------------------------------------------------------------------------------- */

/* Stands before the program's arguments of a task. */
struct args {
	void *word[3]; /* what the runtime reads and writes at the front of them: an event, bounds of a loop, reductions
			*/
	void (*fn)(void *);
	void (*copy)(void *, void *);
	void *data;
	size_t bytes, at; /* of the program's own, and where they begin in a copy */
	struct omp_task *task;
	unsigned words; /* how many of `word` are handed on */
	bool loop;
};

static void args_copy(void *to, void *from)
{
	struct args *f = from;
	char *data = (char *)to + f->at;
	memcpy(to, f, sizeof *f);
	if (f->words)
		memcpy(f->data, f->word, f->words * sizeof f->word[0]);
	if (f->copy)
		f->copy(data, f->data);
	else
		memcpy(data, f->data, f->bytes);
	omp_before(&f->task->created); /* copying is part of its creation */
	if (f->loop)
		atomic_fetch_add(&f->task->refs, 1);
}

static void run(struct omp_task *k, void (*fn)(void *), void *data)
{
	struct omp_task *before = here;
	here = k;
	omp_task_begins(k);
	fn(data);
	here = before;
	omp_task_ended(k);
	omp_task_free(k);
}

static void task_run(void *p)
{
	struct args *a = p;
	run(a->task, a->fn, (char *)p + a->at);
}

/* Not deferred and not copied. */
static void task_run_here(void *p)
{
	struct args *a = p;
	if (a->words)
		memcpy(a->data, a->word, a->words * sizeof a->word[0]);
	run(a->task, a->fn, a->data);
}

/* source: gomp-constants.h; "depend" in task.c: {0, all, out, mutexinoutset, in, addresses…} or {all, out, addresses…},
 * what is left over being addresses of {address, kind}. */
#define FLAG_DEPEND  (1u << 3)
#define FLAG_NOGROUP (1u << 11)
#define FLAG_DETACH  (1u << 13)
#define DEPEND_IN    1u

static void depends(struct omp_task *k, void **depend)
{
	bool old = depend[0] != NULL;
	size_t all = (size_t)depend[old ? 0 : 1], writes = (size_t)depend[old ? 1 : 2] + (old ? 0 : (size_t)depend[3]);
	size_t plain = old ? all : writes + (size_t)depend[4];
	void **at = depend + (old ? 2 : 5);
	for (size_t i = 0; i < all; i++) {
		void **object = at[i];
		if (i < plain)
			omp_task_depends(k, (uintptr_t)at[i], i < writes);
		else
			omp_task_depends(k, (uintptr_t)object[0], (uintptr_t)object[1] != DEPEND_IN);
	}
}

/* Events fulfilled anywhere: whoever waits for tasks may have waited for one. */
static uint64_t fulfilled;
static _Atomic bool detaching;

static void events(void)
{
	if (unlikely(atomic_load_explicit(&detaching, memory_order_relaxed)))
		omp_after(&fulfilled);
}

#define TASK                                                                                                  \
	(void (*fn)(void *), void *data, void (*copy)(void *, void *), long bytes, long align, bool deferred, \
	 unsigned flags, void **depend, int priority, void *detach)

EXPORT void GOMP_task TASK;
EXPORT void GOMP_task TASK
{
	OMP_FIND(GOMP_task, void(*real) TASK);
	struct omp_task *k = here && omp_wanted() ? omp_task_create(here) : NULL;
	if (!real && !k)
		fn(data);
	if (!k) {
		if (real)
			real(fn, data, copy, bytes, align, deferred, flags, depend, priority, detach);
		return;
	}
	if (flags & FLAG_DEPEND)
		depends(k, depend);
	size_t edge = align > (long)sizeof(void *) ? (size_t)align : sizeof(void *);
	struct args a = { .fn = fn, .copy = copy, .data = data, .bytes = (size_t)bytes, .task = k };
	a.at = (sizeof a + edge - 1) & ~(edge - 1);
	if (flags & FLAG_DETACH) {
		a.words = 1;
		atomic_store(&detaching, true);
	}
	if (!deferred && !copy)
		real(task_run_here, &a, NULL, sizeof a, 8, deferred, flags, depend, priority, detach);
	else
		real(task_run, &a, args_copy, (long)a.at + bytes, (long)edge, deferred, flags, depend, priority,
		     detach);
}

/* Many tasks of one making. */
static void taskloop_run(void *p)
{
	struct args *a = p;
	char *data = (char *)p + a->at;
	struct omp_task *all = a->task, *k = omp_task_create(all->parent);
	memcpy(data, a->word, 2 * sizeof a->word[0]);
	omp_after(&all->created);
	if (k) {
		k->group = all->group;
		run(k, a->fn, data);
	} else {
		a->fn(data);
	}
	omp_task_free(all);
}

#define TASKLOOP(name, number)                                                                                        \
	EXPORT void name(void (*fn)(void *), void *data, void (*copy)(void *, void *), long bytes, long align,        \
			 unsigned flags, unsigned long tasks, int priority, number from, number to, number by);       \
	EXPORT void name(void (*fn)(void *), void *data, void (*copy)(void *, void *), long bytes, long align,        \
			 unsigned flags, unsigned long tasks, int priority, number from, number to, number by)        \
	{                                                                                                             \
		OMP_FIND(name, void (*real)(void (*)(void *), void *, void (*)(void *, void *), long, long, unsigned, \
					    unsigned long, int, number, number, number));                             \
		bool group = !(flags & FLAG_NOGROUP);                                                                 \
		if (!real)                                                                                            \
			return;                                                                                       \
		if (!here || !omp_wanted()) {                                                                         \
			real(fn, data, copy, bytes, align, flags, tasks, priority, from, to, by);                     \
			return;                                                                                       \
		}                                                                                                     \
		struct omp_task *outer = here, *k;                                                                    \
		if (group)                                                                                            \
			omp_group_begin(outer);                                                                       \
		k = omp_task_create(outer);                                                                           \
		if (!k) {                                                                                             \
			real(fn, data, copy, bytes, align, flags, tasks, priority, from, to, by);                     \
		} else {                                                                                              \
			size_t edge = align > (long)sizeof(void *) ? (size_t)align : sizeof(void *);                  \
			struct args a = {                                                                             \
				.fn = fn, .copy = copy, .data = data, .bytes = (size_t)bytes, .task = k, .loop = true \
			};                                                                                            \
			a.at = (sizeof a + edge - 1) & ~(edge - 1);                                                   \
			memcpy(a.word, data, a.bytes < sizeof a.word ? a.bytes : sizeof a.word);                      \
			real(taskloop_run, &a, args_copy, (long)a.at + bytes, (long)edge, flags, tasks, priority,     \
			     from, to, by);                                                                           \
			omp_task_free(k);                                                                             \
		}                                                                                                     \
		if (group)                                                                                            \
			omp_group_end(outer);                                                                         \
	}
TASKLOOP(GOMP_taskloop, long)
TASKLOOP(GOMP_taskloop_ull, unsigned long long)

EXPORT void GOMP_taskwait(void);
EXPORT void GOMP_taskwait(void)
{
	OMP_FIND(GOMP_taskwait, void (*real)(void));
	if (real)
		real();
	if (here) {
		omp_after(&here->children);
		events();
	}
}

EXPORT void GOMP_taskwait_depend(void **depend);
EXPORT void GOMP_taskwait_depend(void **depend)
{
	OMP_FIND(GOMP_taskwait_depend, void (*real)(void **));
	if (real)
		real(depend);
	struct omp_task *k = here ? omp_task_create(here) : NULL;
	if (k) {
		depends(k, depend);
		omp_task_begins(k);
		omp_task_free(k);
		events();
	}
}

EXPORT void GOMP_taskgroup_start(void);
EXPORT void GOMP_taskgroup_start(void)
{
	OMP_FIND(GOMP_taskgroup_start, void (*real)(void));
	if (real)
		real();
	omp_group_begin(here);
}

EXPORT void GOMP_taskgroup_end(void);
EXPORT void GOMP_taskgroup_end(void)
{
	OMP_FIND(GOMP_taskgroup_end, void (*real)(void));
	if (real)
		real();
	omp_group_end(here);
	events();
}

EXPORT void omp_fulfill_event(uintptr_t event);
EXPORT void omp_fulfill_event(uintptr_t event)
{
	OMP_FIND(omp_fulfill_event, void (*real)(uintptr_t));
	omp_before(&fulfilled);
	if (real)
		real(event);
}
