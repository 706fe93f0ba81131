/* engine.c - See engine.h. */
#include "watch/engine.h"

#include "watch/adhoc.h"
#include "watch/coverage.h"

#include "base/arena.h"
#include "base/fmt.h"
#include "base/spin.h"
#include "base/sys.h"
#include "core/module.h"
#include "detect/race.h"
#include "watch/patched.h"
#include "watch/decode.h"
#include "watch/miss.h"
#include "watch/outside.h"
#include "watch/patch.h"
#include "watch/probe.h"
#include "watch/redirect.h"
#include "watch/signals.h"
#include "watch/undo.h"
#include "watch/view.h"

#include <stdatomic.h>
#include <string.h>

static struct engine_how how;
static uint32_t last_of_ours; /* module ids in (how.nr_modules, last_of_ours] came with what we opened ourselves */
static const struct decoder *decoder;
static struct emit_abi abi;
static _Atomic bool on;
static struct spin lock = SPIN_INIT(RANK_WATCH);
static struct watch_thread *free_threads, *_Atomic live_threads;
static const struct module *gs_user;

bool engine_on(void)
{
	return atomic_load_explicit(&on, memory_order_relaxed);
}

/* ---- whose accesses ---------------------------------------------------------------------------------------------- */

static const char *base_name(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	return slash ? slash + 1 : path ? path : "";
}

/* Their accesses are libc's business, or the instruments of somebody else, or ours. */
static bool never(const struct module *m)
{
	static const char *const names[] = { "libc.so", "libc-",    "ld-linux",  "ld-2",       "libpthread",
					     "libdl.",  "librt.",   "[vdso]",    "linux-vdso", "libtsan",
					     "libasan", "libubsan", "vgpreload", "libgomp.",   "libgomp-",
					     "libomp.", "libomp-",  "libiomp5.", "libiomp5-" };
	const char *base = base_name(m->path);
	if (m->self || atomic_load(&m->gone) || !m->eh_frame_hdr || (m->id > how.nr_modules && m->id <= last_of_ours))
		return true;
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (strncmp(base, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* `*` and `?` only. */
static bool matches(const char *p, const char *p_end, const char *s)
{
	const char *star = NULL, *from = s;
	while (*s) {
		if (p < p_end && (*p == '?' || (*p == *s && *p != '*'))) {
			p++;
			s++;
		} else if (p < p_end && *p == '*') {
			star = p++;
			from = s;
		} else if (star) {
			p = star + 1;
			s = ++from;
		} else {
			return false;
		}
	}
	while (p < p_end && *p == '*')
		p++;
	return p == p_end;
}

/* CPython, wherever it lies: its code is not the code of the program it runs. Its own memory is guarded by what no hook sees. */
static bool interpreter(const struct module *m)
{
	const char *base = base_name(m->path);
	return strncmp(base, "python3", 7) == 0 || strncmp(base, "libpython3", 10) == 0 || strstr(m->path, "/lib-dynload/");
}

/* Part of the system: not the program of whoever asks. Programs under /usr/local and /opt are somebody's own. */
static bool installed(const struct module *m)
{
	static const char *const dirs[] = { "/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/", "/usr/lib/", "/usr/libexec/", "/usr/games/" };
	for (unsigned i = 0; m->path && i < ARRAY_SIZE(dirs); i++)
		if (strncmp(m->path, dirs[i], strlen(dirs[i])) == 0)
			return true;
	return m->system || (m->path && interpreter(m));
}

static bool selected(const struct module *m)
{
	if (never(m))
		return false;
	for (const char *p = how.instrument; *p;) {
		const char *end = strchrnul(p, ',');
		size_t n = (size_t)(end - p);
		if ((n == 3 && strncmp(p, "all", 3) == 0) || (n == 4 && strncmp(p, "main", 4) == 0 && !installed(m)) ||
		    matches(p, end, base_name(m->path)))
			return true;
		p = *end ? end + 1 : end;
	}
	return false;
}

/* ---- patching one module ----------------------------------------------------------------------------------------- */

/* Each executable segment for itself: between two of them nothing may be mapped. All or nothing. */
static bool write_text(const struct view *v, struct patch *p, size_t nr, const struct plan *plan)
{
	size_t first = 0;
	for (unsigned i = 0; i < v->v.nr_text; i++) {
		size_t end = first;
		while (end < nr && p[end].at < v->text[i].hi)
			end++;
		if (end > first && !patch_text(v->text[i].lo, v->text[i].hi, p + first, end - first)) {
			for (size_t k = 0; k < first; k++)
				memcpy(p[k].bytes, plan->windows[k].patch, p[k].nr);
			while (i-- > 0) {
				size_t from = first;
				while (from > 0 && p[from - 1].at >= v->text[i].lo)
					from--;
				patch_text(v->text[i].lo, v->text[i].hi, p + from, first - from);
				first = from;
			}
			return false;
		}
		first = end;
	}
	return true;
}

static const char *put_in_place(const struct module *m, const struct view *v, struct plan *plan)
{
	size_t bytes = plan->image_bytes;
	uintptr_t arena = patch_room(v->text_lo, v->text_hi, bytes);
	struct patch *p = arena_map((plan->nr_windows + 1) * sizeof *p);
	struct patched *c = NULL;
	/* What was allowed when we began may not be any more. */
	const char *trouble = !arena ? "no room for trampolines within reach" : !p ? "no memory" : patch_start();
	if (!trouble && (plan_place(plan, arena) != 0 || !patch_fill(arena, plan->image, bytes)))
		trouble = "the trampolines could not be written";
	for (uint32_t i = 0; !trouble && i < plan->nr_windows; i++) {
		struct plan_window *w = &plan->windows[i];
		p[i] = (struct patch){ .at = plan->base + w->at, .nr = w->len };
		memcpy(p[i].bytes, w->patch, w->len);
		memcpy(w->patch, (const void *)p[i].at, w->len); /* what was there, for patched_original */
	}
	if (!trouble) {
		plan_drop_image(plan);
		c = patched_add(m, arena, bytes, v->text_lo, v->text_hi, plan);
		if (c)
			c->only_sync = v->v.only_sync;
		if (!c) {
			trouble = "no memory";
		} else if (!write_text(v, p, plan->nr_windows, plan)) {
			trouble = "its text could not be written";
			patched_drop(c);
		}
	}
	if (p)
		arena_unmap(p, (plan->nr_windows + 1) * sizeof *p);
	if (trouble && !c) {
		if (arena)
			patch_room_free(arena, bytes);
		plan_free(plan);
	}
	return trouble;
}

static void patch_module(const struct module *m)
{
	struct view *v = arena_malloc(sizeof *v);
	struct plan plan;
	uint64_t start = sys_clock_ns();
	if (!v || !view_of(m, v)) {
		arena_free(v);
		return;
	}
	const char *trouble = plan_module(&v->v, &abi, decoder, &plan) != 0 ? "no memory" : NULL;
	struct plan_counts c = trouble ? (struct plan_counts){ 0 } : plan.counts;
	if (!trouble)
		coverage_gaps(m, plan.gaps, plan.base);
	if (!trouble && plan.uses_gs) {
		gs_user = m; /* what its code keeps there is not ours to change, whosever code runs */
		plan_free(&plan);
	} else if (!trouble && plan.nr_windows) {
		trouble = put_in_place(m, v, &plan);
	}
	coverage_add(&c, !trouble);
	if (trouble) {
		how.say("accesses of ", base_name(m->path), " are not watched: ");
		how.say("  ", trouble, "");
	} else if (how.verbose) {
		char text[COVERAGE_TEXT];
		how.say("watching ", base_name(m->path), coverage_tell(text, &c, sys_clock_ns() - start));
	}
	arena_free(v);
}

/* Of a library that is not watched what orders others. Where that cannot be had it is done without. */
static void patch_outside(const struct module *m)
{
	struct view *v = arena_malloc(sizeof *v);
	struct plan plan;
	uint64_t start = sys_clock_ns();
	const char *name = base_name(m->path);
	if (v && view_of(m, v) && outside_wanted(name, v)) {
		v->v.only_sync = true;
		if (plan_module(&v->v, &abi, decoder, &plan) == 0) {
			struct plan_counts c = plan.counts;
			if (outside_private(name)) {
				watch_private_lo = m->lo;
				watch_private_hi = m->hi;
			}
			if (plan.uses_gs || !plan.nr_windows)
				plan_free(&plan);
			else if (!put_in_place(m, v, &plan) && how.verbose) {
				char text[COVERAGE_TEXT];
				how.say("atomics of ", name, coverage_tell(text, &c, sys_clock_ns() - start));
			}
		}
	}
	arena_free(v);
}

static bool have(const struct module *m)
{
	for (uint32_t i = 0; i < patched_count(); i++) {
		const struct patched *c = patched_by_index(i);
		if (c && c->module == m)
			return true;
	}
	return false;
}

static uint32_t outside_to; /* modules up to this one have been looked at */

static void patch_new(void)
{
	for (uint32_t id = 1; id <= module_count(); id++) {
		const struct module *m = module_by_id(id);
		if (!gs_user && selected(m) && !have(m))
			patch_module(m);
		if (!gs_user && id > outside_to && !never(m) && !selected(m))
			patch_outside(m);
	}
	outside_to = module_count();
	/* One that has just been mapped has no entries to redirect yet; we come by again after dlopen. */
	for (uint32_t i = 0; i < patched_count(); i++) {
		const struct patched *c = patched_by_index(i);
		if (c && !c->only_sync)
			redirect_module(c->module);
	}
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

static struct watch_thread *thread_get(void)
{
	spin_lock(&lock);
	struct watch_thread *w = free_threads;
	if (w)
		free_threads = w->next;
	spin_unlock(&lock);
	if (w)
		return w;
	w = arena_alloc(sizeof *w);
	if (w)
		w->stack = sys_map(WATCH_STACK_BYTES);
	return w && w->stack ? w : NULL;
}

static void thread_started(struct thread *t)
{
	if (!engine_on())
		return;
	if (watch_tls.self) /* a forked child's thread: its plane is empty */
		return;
	struct watch_thread *w = thread_get();
	if (!w || !signals_thread()) {
		plane_use_null(); /* what it inherited is its creator's */
		return;
	}
	stack_at_reset(&w->stacks, t->stacks.lo, t->stacks.hi);
	w->thread = t;
	w->plane = plane_get();
	plane_use(w->plane);
	spin_lock(&lock);
	w->next = atomic_load(&live_threads);
	atomic_store(&live_threads, w);
	spin_unlock(&lock);
	watch_tls.stack_top = (char *)w->stack + WATCH_STACK_BYTES;
	atomic_signal_fence(memory_order_seq_cst);
	watch_tls.self = w;
}

static void thread_ended(struct thread *t)
{
	struct watch_thread *w = watch_tls.self;
	if (!w || w->thread != t)
		return;
	race_tls.write_tag = ~0ull;
	watch_tls.self = NULL;
	if (engine_on())
		plane_use_null(); /* else it may be the program's by now */
	spin_lock(&lock);
	struct watch_thread *first = atomic_load(&live_threads);
	if (first == w) {
		atomic_store(&live_threads, w->next);
	} else {
		while (first && first->next != w)
			first = first->next;
		if (first)
			first->next = w->next;
	}
	spin_unlock(&lock);
	plane_put(w->plane);
	w->plane = NULL;
	/* Its stack of ours is not in use: the gate is shut by a hook, not by the slow path. */
	watch_tls.stack_top = NULL;
	spin_lock(&lock);
	w->next = free_threads;
	free_threads = w;
	spin_unlock(&lock);
}

/* ---- for the rule ------------------------------------------------------------------------------------------------ */

static void forget(struct thread *t, uintptr_t addr, size_t bytes)
{
	struct watch_thread *w = watch_tls.self;
	if (w && w->thread == t)
		plane_wipe(w->plane, addr, bytes);
}

static void forget_granules(struct thread *t, uintptr_t addr, uint64_t which)
{
	struct watch_thread *w = watch_tls.self;
	if (!w || w->thread != t)
		return;
	for (; which; which &= which - 1) {
		uintptr_t granule = addr + 8 * granule_nth(which), at = plane_of(w->plane, granule, 8);
		if (likely(at))
			*(volatile uint64_t *)at = 0;
		else
			plane_wipe(w->plane, granule, 8);
	}
}

static void forget_all(uintptr_t addr, size_t bytes)
{
	spin_lock(&lock);
	for (struct watch_thread *w = atomic_load(&live_threads); w; w = w->next)
		plane_wipe(w->plane, addr, bytes);
	spin_unlock(&lock);
}

const struct race_engine engine_for_rule = {
	.forget = forget, .forget_all = forget_all, .forget_granules = forget_granules,
	.thread_started = thread_started, .thread_ended = thread_ended, .flag = adhoc_flag, .size = adhoc_size,
	.code_mapped = coverage_mapped,
};

/* ---- start ------------------------------------------------------------------------------------------------------- */

static int32_t fs_offset(const void *p)
{
	return (int32_t)((uintptr_t)p - thread_pointer());
}

static const char *prepare(void)
{
	const char *trouble;
	if ((trouble = probe_missing()))
		return trouble;
	if (!miss_start())
		return "the processor has no xsave, or cpuid is refused";
	if ((trouble = decoder_open(&decoder)) || (trouble = patch_start()) ||
	    (trouble = plane_start(probe_low())))
		return trouble;
	module_refresh();
	last_of_ours = module_count();
	abi = (struct emit_abi){
		.fs_write_tag = fs_offset(&race_tls.write_tag),
		.fs_save = fs_offset(race_tls.save),
		.miss = (uintptr_t)watch_entry_miss,
		.sync = (uintptr_t)watch_entry_sync,
		.rep = (uintptr_t)watch_entry_rep,
		.direct = plane_layout.direct,
		.shift = plane_layout.shift,
	};
	return NULL;
}

bool engine_wanted(const struct engine_how *h)
{
	how = *h;
	last_of_ours = module_count();
	for (uint32_t id = 1; id <= how.nr_modules; id++)
		if (selected(module_by_id(id)))
			return true;
	return false;
}

void engine_stop(const char *why)
{
	if (!atomic_exchange(&on, false))
		return;
	race_stop(why);
	patched_enter();
	for (uint32_t i = 0; i < patched_count(); i++) {
		struct patched *c = patched_by_index(i);
		if (c)
			undo_patches(c);
	}
	patched_leave();
	how.say("data races are looked for no longer: ", race_stopped, "; deadlocks and misuse are");
}

static void in_vain(void)
{
	if (!race_stopped)
		engine_gs_wanted();
	else
		engine_stop(race_stopped);
}

void engine_gs_wanted(void) { engine_stop("the program uses %gs itself from here on"); }

void engine_tls_shared(void) { engine_stop("a thread made by clone() has another's thread-local memory"); }

static void stop_for_gs_user(void)
{
	static char text[128];
	if (!gs_user || !engine_on())
		return;
	struct fmt f = fmt_on(text, sizeof text - 1);
	fmt_str(&f, base_name(gs_user->path));
	fmt_str(&f, " uses %gs itself");
	engine_stop(fmt_end(&f));
}

const char *engine_start(const struct engine_how *h)
{
	how = *h;
	const char *trouble = prepare();
	if (trouble)
		return trouble;
	watch_in_vain = in_vain;
	uint64_t had = signals_block();
	patch_new();
	atomic_store(&on, true);
	signals_start();
	signals_unblock(had);
	stop_for_gs_user();
	return NULL;
}

void engine_modules_changed(void)
{
	if (!engine_on())
		return;
	for (uint32_t i = 0; i < patched_count(); i++) {
		struct patched *c = patched_by_index(i);
		if (c && atomic_load(&c->module->gone))
			patched_drop(c);
	}
	patch_new();
	stop_for_gs_user();
}

void engine_fork_child(void)
{
	spin_reset(&lock);
	patched_fork_child();
	plane_fork_child();
	/* Only the caller is left; what the others had is not given back. */
	struct watch_thread *w = watch_tls.self;
	if (w)
		w->next = NULL;
	atomic_store(&live_threads, w);
}
