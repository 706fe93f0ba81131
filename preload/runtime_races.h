/*
 * runtime_races.h - The runtime's part in watching memory accesses; beside runtime.c the only file that knows every floor.
 */
#ifndef SNARL_RUNTIME_RACES_H
#define SNARL_RUNTIME_RACES_H

#include "base/compiler.h"
#include "wire/options.h"

/* The process is about to get its second thread: from now on accesses count. nr_modules: how many modules the program had before we
 * opened any for ourselves. say: as runtime.c's. The gate is shut. */
void races_begin(const struct options *o, uint32_t nr_modules, void (*say)(const char *a, const char *b, const char *c));
/* Modules were loaded or unloaded. The gate is shut. */
void races_modules_changed(void);
void races_fork_child(void);

#endif
