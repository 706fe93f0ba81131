#include "hooks/openmp.h"

#include "base/arena.h"

#include <dlfcn.h>

REAL_OF(dlopen);

void omp_before(const void *key)
{
	struct thread *t = hook_thread();
	if (t)
		happens_before(t, (uintptr_t)key);
}

void omp_after(const void *key)
{
	struct thread *t = hook_thread();
	if (t)
		happens_after(t, (uintptr_t)key);
}

void omp_forget(const void *key)
{
	if (race_on)
		happens_over_slow((uintptr_t)key, 1);
}

/* ---- regions ----------------------------------------------------------------------------------------------------- */

struct omp_team *omp_team_new(void)
{
	return arena_calloc(1, sizeof(struct omp_team));
}
void omp_team_free(struct omp_team *team)
{
	arena_free(team);
}

void omp_team_begin(struct omp_team *team)
{
	omp_before(&team->fork);
}

void omp_team_end(struct omp_team *team)
{
	/* Tasks that nobody waited for have said their end to a barrier. */
	omp_after(&team->join);
	omp_after(&team->barrier[0]);
	omp_after(&team->barrier[1]);
	for (uint64_t *key = &team->fork; key <= &team->barrier[1]; key++)
		omp_forget(key);
}

void omp_arrive(struct omp_task *k)
{
	if (k && k->team)
		omp_before(&k->team->barrier[k->round & 1]);
}

void omp_leave(struct omp_task *k)
{
	if (k && k->team)
		omp_after(&k->team->barrier[k->round++ & 1]);
}

/* ---- tasks ------------------------------------------------------------------------------------------------------- */

static struct omp_task *task_new(void)
{
	struct omp_task *k = arena_calloc(1, sizeof *k);
	if (k)
		k->refs = 1;
	return k;
}

struct omp_task *omp_task_implicit(struct omp_team *team)
{
	struct omp_task *k = task_new();
	if (k) {
		k->team = team;
		k->begun = true;
	}
	return k;
}

struct omp_task *omp_task_create(struct omp_task *parent)
{
	struct omp_task *k = task_new();
	if (!k)
		return NULL;
	if (parent) {
		atomic_fetch_add(&parent->refs, 1);
		k->parent = parent;
		k->team = parent->team;
		k->group = parent->group;
		k->round = parent->round;
	}
	omp_before(&k->created);
	return k;
}

void omp_task_free(struct omp_task *k)
{
	while (k && atomic_fetch_sub(&k->refs, 1) == 1) {
		struct omp_task *parent = k->parent;
		omp_forget(&k->created);
		omp_forget(&k->children);
		arena_free(k->depend);
		arena_free(k);
		k = parent;
	}
}

void omp_task_depends(struct omp_task *k, uintptr_t addr, bool writes)
{
	if (k->nr_depend % 8 == 0) {
		struct omp_depend *more = arena_realloc(k->depend, (k->nr_depend + 8) * sizeof *more);
		if (!more)
			return;
		k->depend = more;
	}
	k->depend[k->nr_depend++] = (struct omp_depend){ addr, writes };
}

/* What is said at an address by those that only read it, and by the others. */
#define KEY_READ(addr)  ((addr) | 1ul << 61 | 1ul << 60)
#define KEY_WRITE(addr) ((addr) | 1ul << 61)

void omp_depended(uintptr_t addr, bool writes)
{
	omp_after((void *)KEY_WRITE(addr));
	if (writes)
		omp_after((void *)KEY_READ(addr));
}

void omp_task_begins(struct omp_task *k)
{
	if (k->begun)
		return;
	k->begun = true;
	omp_after(&k->created);
	for (uint32_t i = 0; i < k->nr_depend; i++)
		omp_depended(k->depend[i].addr, k->depend[i].writes);
}

void omp_task_ended(struct omp_task *k)
{
	for (uint32_t i = 0; i < k->nr_depend; i++)
		omp_before((void *)(k->depend[i].writes ? KEY_WRITE(k->depend[i].addr) : KEY_READ(k->depend[i].addr)));
	if (k->parent)
		omp_before(&k->parent->children);
	if (k->group)
		omp_before(&k->group->done);
	if (k->team)
		omp_before(&k->team->barrier[k->round & 1]);
}

void omp_group_begin(struct omp_task *k)
{
	struct omp_group *g = k ? arena_calloc(1, sizeof *g) : NULL;
	if (g) {
		g->outer = k->group;
		k->group = g;
	}
}

void omp_group_end(struct omp_task *k)
{
	struct omp_group *g = k ? k->group : NULL;
	if (!g)
		return;
	omp_after(&g->done);
	k->group = g->outer;
	omp_forget(&g->done);
	arena_free(g);
}

/* ---- the real ones ----------------------------------------------------------------------------------------------- */

/*
 * A plugin may bring a runtime of its own (RTLD_LOCAL), others another one: then each caller's is looked for where the
 * loader would have, among what the caller's library needs. Kept by call.
 */
static struct found {
	_Atomic uintptr_t key;
	void *real;
} found[512];

static struct found *place_of(uintptr_t key)
{
	return &found[key * 0x9e3779b97f4a7c15ull >> 55];
}

static void *find_for(const char *name, void *caller, uintptr_t key)
{
	Dl_info info;
	void *lib = real_dlopen && dladdr(caller, &info) && info.dli_fname
			? real_dlopen(info.dli_fname, RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD)
			: NULL;
	void *p = lib ? dlsym(lib, name) : NULL;
	struct found *f = place_of(key);
	uintptr_t none = 0;
	if (p && atomic_compare_exchange_strong(&f->key, &none, 1)) {
		f->real = p;
		atomic_store_explicit(&f->key, key, memory_order_release);
	}
	return p;
}

void *omp_real(void *_Atomic *at, const char *name, void *caller)
{
	void *p = atomic_load_explicit(at, memory_order_relaxed);
	if (likely(p != NULL))
		return p;
	uintptr_t key = (uintptr_t)caller ^ (uintptr_t)name << 20;
	if (atomic_load_explicit(&place_of(key)->key, memory_order_acquire) == key)
		return place_of(key)->real;
	gate_shut();
	p = dlsym(RTLD_NEXT, name);
	if (p)
		atomic_store_explicit(at, p, memory_order_relaxed);
	else
		p = find_for(name, caller, key);
	gate_open();
	return p;
}
