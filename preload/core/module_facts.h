/*
 * module_facts.h - What a mapped file says of itself: its extent, tables, build id and name.
 */
#ifndef SNARL_CORE_MODULE_FACTS_H
#define SNARL_CORE_MODULE_FACTS_H

#include "core/module.h"

#include <link.h>

/* What the headers say, without names. False: it maps nothing. */
bool facts_measure(const struct dl_phdr_info *info, struct module *m);

/* path, system, self. After facts_measure. */
void facts_name(const char *name, struct module *m);

/* The segment with at least these PF_ flags that holds addr. */
bool facts_segment(const ElfW(Phdr) * ph, unsigned nr, uintptr_t bias, uintptr_t addr, uint32_t flags, uintptr_t *lo,
		   uintptr_t *hi);

#endif
