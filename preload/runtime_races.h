/*
 * runtime_races.h - The runtime's part in watching memory accesses; beside runtime.c the only file that knows every floor.
 */
#ifndef SNARL_RUNTIME_RACES_H
#define SNARL_RUNTIME_RACES_H

#include "base/compiler.h"
#include "wire/options.h"

/* Early, before anything of the program runs: blocks of its heap are noted from now on, if races will be looked for; most of
 * what threads share is made before there are threads. said: the value of ENV_ATOMICS (wire/atomics.h), NULL none. */
void races_prepare(const struct options *o, const char *said);
/* The process is about to get its second thread: from now on accesses count. nr_modules: how many modules the program had before we
 * opened any for ourselves. say: as runtime.c's. The gate is shut. */
void races_begin(const struct options *o, uint32_t nr_modules, void (*say)(const char *a, const char *b, const char *c));
/* Modules were loaded or unloaded. The gate is shut. */
void races_modules_changed(void);
struct thread;
void races_fork_child(struct thread *self);
/* The end record is about to be written: says what was watched. */
void races_ending(void);

#endif
