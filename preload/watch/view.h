/* view.h - A loaded module as the planner wants to see it. */
#ifndef SNARL_WATCH_VIEW_H
#define SNARL_WATCH_VIEW_H

#include "core/module.h"
#include "watch/plan.h"

#define VIEW_SPANS 32u

struct view {
	struct code_view v;
	uintptr_t text_lo, text_hi;
	struct code_span text[VIEW_SPANS];
	struct code_data data[VIEW_SPANS];
};

/* False: it has no code, or is laid out in a way nobody has seen. */
bool view_of(const struct module *m, struct view *out);

#endif
