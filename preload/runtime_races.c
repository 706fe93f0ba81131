#include "runtime_races.h"

#include "base/arena.h"
#include "base/masks.h"
#include "core/heap.h"
#include "core/module.h"
#include "core/reporter.h"
#include "detect/emit.h"
#include "detect/hybrid.h"
#include "detect/race.h"
#include "detect/race_found.h"
#include "hooks/interpose.h"
#include "hooks/process.h"
#include "runtime_modules.h"
#include "watch/coverage.h"
#include "watch/engine.h"
#include "watch/loader.h"
#include "watch/miss.h"
#include "watch/signals.h"
#include "wire/atomics.h"

static struct thread *thread_of_caller(void) { return hook_thread(); }

/* The loader has mapped something; its lock is held, nothing of ours. */
static void loaded(void)
{
	if (tls.inside & GATE_DEAD)
		return;
	uintptr_t sp = tls.inside_sp; /* a hook that has the gate shut may have asked for a library itself: it comes back to that frame */
	gate_shut();
	modules_changed();
	gate_open();
	tls.inside_sp = sp;
}

static void gs_wanted(void)
{
	gate_shut();
	engine_gs_wanted();
	gate_open();
}

static void tls_shared(void)
{
	gate_shut();
	engine_tls_shared();
	gate_open();
}

/* Of the program it was made for, nothing of any other: wire/atomics.h. */
static const char *atomics;

static unsigned hex_digit(char c) { return c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16; }

static uint64_t hex(const char **at)
{
	uint64_t v = 0;
	for (; hex_digit(**at) < 16; ++*at)
		v = v << 4 | hex_digit(**at);
	return v;
}

/* Past the colon; NULL: it is not this module's. */
static const char *ranges_of(const struct module *m)
{
	const char *p = atomics;
	for (uint32_t i = 0; i < m->build_id_len; i++, p += 2)
		if (hex_digit(p[0]) > 15 || hex_digit(p[1]) > 15 || m->build_id[i] != (hex_digit(p[0]) << 4 | hex_digit(p[1])))
			return NULL;
	return m->build_id_len && *p == ':' ? p + 1 : NULL;
}

static void mark_atomics(void)
{
	const struct module *m = NULL;
	const char *p = NULL;
	for (uint32_t id = 1; atomics && !p && id <= module_count() && (m = module_by_id(id)); id++)
		p = ranges_of(m);
	while (p && hex_digit(*p) < 16) {
		uint64_t at = hex(&p) + m->bias, bytes = 0;
		if (*p == '+') {
			p++;
			bytes = hex(&p);
		}
		if (bytes <= ATOMICS_RANGE && at >= m->lo && at + bytes <= m->hi)
			race_atomic(at, bytes);
		p += *p == ',';
	}
}

void races_prepare(const struct options *o, const char *said)
{
	/* The program may write over its environment. */
	size_t n = 0;
	while (said && said[n] && n < ATOMICS_TEXT)
		n++;
	char *copy = o->races != RACES_OFF && n && n < ATOMICS_TEXT ? arena_malloc(n + 1) : NULL;
	for (size_t i = 0; copy && i <= n; i++)
		copy[i] = said[i];
	atomics = copy;
	race_wanted = o->races != RACES_OFF;
	race_hybrid = o->races == RACES_HYBRID;
	watch_thread_of_caller = thread_of_caller; /* compiled-in calls come without the engine too */
	struct engine_how how = { .nr_modules = module_count(), .instrument = o->instrument };
	if (o->races != RACES_OFF && engine_wanted(&how))
		heap_start();
}

void races_begin(const struct options *o, uint32_t nr_modules, void (*say)(const char *a, const char *b, const char *c))
{
	if (o->races == RACES_OFF || engine_on())
		return;
	struct engine_how how = { .nr_modules = nr_modules, .instrument = o->instrument, .say = say, .verbose = o->verbose };
	if (!engine_wanted(&how))
		return;
	const char *why = engine_start(&how);
	if (!why) {
		process_events.signal_action = signals_action; /* the handlers are ours from now on, whatever comes */
		process_events.cancel_signal = signals_cancel;
		process_events.gs_wanted = gs_wanted;
		process_events.tls_shared = tls_shared;
	}
	if (!why && !race_start(&engine_for_rule, race_found))
		why = "no memory for its shadow";
	if (why) {
		say("data races are not looked for: ", why, "; deadlocks and misuse are");
		emit_no_races(why);
		return;
	}
	race_thread_started(tls.thread);
	mark_atomics();
	if (!loader_watch(loaded) && o->verbose)
		say("libraries loaded from now on are not watched for data races: a debugger sits at the loader's door", "", "");
}

void races_modules_changed(void) { engine_modules_changed(); }
void races_ending(void)
{
	if (race_stopped)
		engine_stop(race_stopped); /* said at the latest now */
	struct coverage c = coverage_counts();
	emit_watched(c.accesses, c.watched, c.elsewhere, coverage_refused());
}

void races_fork_child(struct thread *self)
{
	masks_fork_child();
	race_fork_child(self);
	if (race_on && !race_stopped)
		mark_atomics();
	engine_fork_child();
}
