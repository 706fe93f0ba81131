/*
 * openmp_ompt.c - LLVM's and Intel's OpenMP: the tool interface of OpenMP 5 (OMPT), which their runtimes offer to
 * whoever exports ompt_start_tool.
 *
 * source: omp-tools.h of LLVM 14 and the OpenMP 5.0 specification, chapter 4. Declared here in full, because GCC has no
 * such header. A tool of the program's own comes before ours; one that would come later gets its turn where no races
 * are looked for. That a mutex is released is told after it was: see openmp_locks.c.
 */
#include "hooks/openmp.h"

enum callback {
	PARALLEL_BEGIN = 3,
	PARALLEL_END = 4,
	TASK_CREATE = 5,
	TASK_SCHEDULE = 6,
	IMPLICIT_TASK = 7,
	SYNC_REGION_WAIT = 16,
	DEPENDENCES = 18,
	SYNC_REGION = 23,
	REDUCTION = 31,
};
enum endpoint { BEGIN = 1, END = 2, BEGIN_END = 3 };
enum sync_kind { TASKWAIT = 5, TASKGROUP = 6, REDUCTION_WAIT = 7 }; /* the others are barriers */
enum status { COMPLETE = 1, CANCEL = 3, DETACH = 4, EARLY_FULFILL = 5, LATE_FULFILL = 6, TASKWAIT_COMPLETE = 8 };
enum depend { DEPEND_IN = 1, DEPEND_SOURCE = 5, DEPEND_SINK = 6 };
#define TASK_INITIAL 1u

union data {
	uint64_t value;
	void *ptr;
};
struct dependence {
	union data variable;
	int kind;
};

static struct omp_task *task_of(const union data *d)
{
	return d ? d->ptr : NULL;
}

static void parallel_begin(union data *task, const void *frame, union data *parallel, unsigned asked, int flags,
			   const void *at)
{
	(void)task, (void)frame, (void)asked, (void)flags, (void)at;
	struct omp_team *team = omp_team_new();
	parallel->ptr = team;
	if (team)
		omp_team_begin(team);
}

static void parallel_end(union data *parallel, union data *task, int flags, const void *at)
{
	(void)task, (void)flags, (void)at;
	struct omp_team *team = parallel->ptr;
	if (team) {
		omp_team_end(team);
		omp_team_free(team);
	}
	parallel->ptr = NULL;
}

static void implicit_task(enum endpoint endpoint, union data *parallel, union data *task, unsigned threads,
			  unsigned index, unsigned flags)
{
	(void)threads, (void)index;
	if (endpoint != END) {
		struct omp_team *team = parallel && !(flags & TASK_INITIAL) ? parallel->ptr : NULL;
		task->ptr = omp_task_implicit(team);
		if (team)
			omp_after(&team->fork);
	}
	if (endpoint != BEGIN) { /* perhaps long after the region: the thread has been idle */
		omp_task_free(task->ptr);
		task->ptr = NULL;
	}
}

static void sync_region(enum sync_kind kind, enum endpoint endpoint, union data *parallel, union data *task,
			const void *at)
{
	(void)at;
	struct omp_task *k = task_of(task);
	if (!k || kind == REDUCTION_WAIT)
		return;
	if (endpoint != END && kind == TASKGROUP)
		omp_group_begin(k);
	else if (endpoint != END && kind != TASKWAIT)
		omp_arrive(k);
	if (endpoint == BEGIN)
		return;
	if (kind == TASKGROUP)
		omp_group_end(k);
	else if (kind == TASKWAIT)
		omp_after(&k->children);
	else if (parallel && parallel->ptr) /* else the region is over, and its team with it */
		omp_leave(k);
}

/* What the tasks of a group have reduced is put together before the group is called over. */
static void sync_wait(enum sync_kind kind, enum endpoint endpoint, union data *parallel, union data *task,
		      const void *at)
{
	(void)parallel, (void)at;
	struct omp_task *k = task_of(task);
	if (k && k->group && kind == TASKGROUP && endpoint != BEGIN)
		omp_after(&k->group->done);
}

/* Its combining of one thread's share with another's is ordered inside the runtime. */
static void reduction(enum sync_kind kind, enum endpoint endpoint, union data *parallel, union data *task,
		      const void *at)
{
	(void)kind, (void)parallel, (void)task, (void)at;
	if (endpoint != BEGIN_END)
		race_ignore(endpoint == BEGIN);
}

static void task_create(union data *parent, const void *frame, union data *task, unsigned flags, int depends,
			const void *at)
{
	(void)frame, (void)depends, (void)at;
	if (flags & TASK_INITIAL)
		task->ptr = omp_task_implicit(NULL);
	else
		task->ptr = omp_task_create(task_of(parent));
}

static void dependences(union data *task, const struct dependence *d, int n)
{
	struct omp_task *k = task_of(task);
	for (int i = 0; k && i < n; i++) {
		if (d[i].kind != DEPEND_SOURCE && d[i].kind != DEPEND_SINK)
			omp_task_depends(k, (uintptr_t)d[i].variable.ptr, d[i].kind != DEPEND_IN);
		else if (k->team && d[i].kind == DEPEND_SOURCE)
			omp_before(&k->team->posts);
		else if (k->team)
			omp_after(&k->team->posts);
	}
}

static void task_schedule(union data *prior, enum status status, union data *next)
{
	struct omp_task *k = task_of(prior), *n = task_of(next);
	if (status == TASKWAIT_COMPLETE) { /* next is not run: it stands for what was waited for */
		if (n) {
			omp_task_begins(n);
			omp_task_free(n);
			next->ptr = NULL;
		}
		return;
	}
	if (k && (status == COMPLETE || status == CANCEL || status == DETACH || status == EARLY_FULFILL ||
		  status == LATE_FULFILL))
		omp_task_ended(k);
	if (k && (status == COMPLETE || status == CANCEL || status == LATE_FULFILL)) {
		omp_task_free(k);
		prior->ptr = NULL;
	}
	if (n && status != EARLY_FULFILL && status != LATE_FULFILL)
		omp_task_begins(n);
}

typedef void (*any_fn)(void);

static int initialize(any_fn (*lookup)(const char *), int device, union data *tool)
{
	(void)device, (void)tool;
	int (*set)(int, any_fn) = (int (*)(int, any_fn))lookup("ompt_set_callback");
	if (!set)
		return 0;
	set(PARALLEL_BEGIN, (any_fn)parallel_begin);
	set(PARALLEL_END, (any_fn)parallel_end);
	set(TASK_CREATE, (any_fn)task_create);
	set(TASK_SCHEDULE, (any_fn)task_schedule);
	set(IMPLICIT_TASK, (any_fn)implicit_task);
	set(SYNC_REGION_WAIT, (any_fn)sync_wait);
	set(DEPENDENCES, (any_fn)dependences);
	set(SYNC_REGION, (any_fn)sync_region);
	set(REDUCTION, (any_fn)reduction);
	return 1;
}

static void finalize(union data *tool)
{
	(void)tool;
}

struct tool {
	int (*initialize)(any_fn (*)(const char *), int, union data *);
	void (*finalize)(union data *);
	union data data;
};

EXPORT struct tool *ompt_start_tool(unsigned version, const char *runtime);
EXPORT struct tool *ompt_start_tool(unsigned version, const char *runtime)
{
	static struct tool tool = { initialize, finalize, { 0 } };
	if (omp_wanted())
		return &tool;
	OMP_FIND(ompt_start_tool, struct tool * (*real)(unsigned, const char *));
	return real ? real(version, runtime) : NULL;
}
