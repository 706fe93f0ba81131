#include "runtime_modules.h"

#include "core/module.h"
#include "core/step.h"
#include "detect/verbs.h"
#include "runtime_races.h"

/* Locks of a library that is gone are gone with it. */
static void forget_closed(void)
{
	static uint64_t told[1024]; /* a bit for each of the first 65,536 modules */
	for (uint32_t id = 1; id <= module_count() && id < 64 * ARRAY_SIZE(told); id++) {
		const struct module *m = module_by_id(id);
		uint64_t bit = 1ull << id % 64;
		if (!m->gone) {
			told[id / 64] &= ~bit;
		} else if (!(told[id / 64] & bit)) {
			told[id / 64] |= bit;
			memory_gone_slow(tls.thread, m->lo, m->hi - m->lo, (struct site){ 0, 0 }, "dlclose");
		}
	}
}

void modules_changed(void)
{
	gate_shut();
	uint32_t had = module_count();
	bool changed = module_refresh();
	/* What lay there before is no business of the new library's. */
	for (uint32_t id = had + 1; tls.thread && tls.thread->race && id <= module_count(); id++)
		mem_fresh(tls.thread, module_by_id(id)->lo, module_by_id(id)->hi - module_by_id(id)->lo, 0);
	forget_closed(); /* also when nothing changed: a module may have been learnt by its address meanwhile */
	if (changed) {
		step_flush();
		thread_poke_all(POKE_FLUSH);
	}
	races_modules_changed();
	gate_open();
}
