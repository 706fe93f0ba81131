#include "runtime_races.h"

#include "core/heap.h"
#include "core/reporter.h"
#include "detect/emit.h"
#include "detect/race.h"
#include "hooks/interpose.h"
#include "hooks/process.h"
#include "runtime_modules.h"
#include "watch/engine.h"
#include "watch/loader.h"
#include "watch/miss.h"
#include "watch/signals.h"

static struct thread *thread_of_caller(void)
{
	struct thread *t = hook_thread();
	if (t && !t->race) {
		gate_shut();
		race_thread_started(t);
		gate_open();
	}
	return t;
}

/* The loader has mapped something; its lock is held, nothing of ours. */
static void loaded(void)
{
	if (tls.inside & GATE_DEAD)
		return;
	gate_shut();
	modules_changed();
	gate_open();
}

/* Only when asked for, until every order between threads is told to the rule. */
static bool wanted(const struct options *o) { return o->races != RACES_OFF && o->given >> options_find("races", 5, NULL) & 1; }

void races_prepare(const struct options *o)
{
	race_wanted = o->races != RACES_OFF;
	watch_thread_of_caller = thread_of_caller; /* compiled-in calls come without the engine too */
	if (wanted(o))
		heap_start();
}

void races_begin(const struct options *o, uint32_t nr_modules, void (*say)(const char *a, const char *b, const char *c))
{
	if (!wanted(o) || engine_on())
		return;
	const char *why = engine_start(&(struct engine_how){ .nr_modules = nr_modules, .instrument = o->instrument, .say = say, .verbose = o->verbose });
	if (!why && !race_start(&engine_for_rule, NULL))
		why = "no memory for its shadow";
	if (why) {
		say("data races are not looked for: ", why, "; deadlocks and misuse are");
		return;
	}
	race_thread_started(tls.thread);
	emit_watched(engine_counts().accesses, engine_counts().watched);
	process_events.signal_action = signals_action;
	if (!loader_watch(loaded) && o->verbose)
		say("libraries loaded from now on are not watched for data races: a debugger sits at the loader's door", "", "");
}

void races_modules_changed(void)
{
	engine_modules_changed();
	emit_watched(engine_counts().accesses, engine_counts().watched);
}

void races_fork_child(struct thread *self)
{
	race_fork_child(self);
	engine_fork_child();
}
