/* probe.h - What this process is like, before anything in it is changed. */
#ifndef SNARL_WATCH_PROBE_H
#define SNARL_WATCH_PROBE_H

#include "base/compiler.h"

/* NULL, or why there can be no planes. */
const char *probe_missing(void);
/* Planes must be found by arithmetic: code lies too low, or a debugger must be able to set registers. */
bool probe_low(void);

#endif
