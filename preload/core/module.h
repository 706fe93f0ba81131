/*
 * module.h - What is mapped where: the executable and its libraries, with build ids.
 *
 * Ids are never reused within a process: a library closed and loaded again elsewhere is a new module, the same file at
 * the same place keeps its id. Records live for ever, so a stack taken before a dlclose still names its module.
 */
#ifndef SNARL_CORE_MODULE_H
#define SNARL_CORE_MODULE_H

#include "base/compiler.h"

#define BUILD_ID_MAX 64

/* Thread-local blocks of fixed place are looked for this far below a thread's pointer; more is rare. */
#define MODULE_TLS_BYTES (64ul << 10)

struct module {
	uint32_t id;              /* from 1 */
	uint32_t build_id_len;    /* bytes, 0 unknown */
	uintptr_t bias;           /* load bias: run-time address - link-time address */
	uintptr_t lo, hi;         /* all its segments lie in [lo, hi) */
	const char *path;         /* absolute where known; the vdso is "[vdso]" */
	const void *eh_frame_hdr; /* NULL: none */
	size_t eh_frame_hdr_bytes;
	_Atomic uintptr_t tls_below; /* its thread-local block begins so far below each thread's pointer; 0: not at a fixed place */
	size_t tls_bytes;
	bool system;       /* under a system library directory (/lib, /usr/lib, /lib64, ...) or the vdso */
	bool self;         /* libsnarl.so */
	_Atomic bool gone; /* dlclose'd */
	uint8_t build_id[BUILD_ID_MAX];
};

/* Reads the list for the first time (dl_iterate_phdr: the loader's lock, no allocation of ours inside it). */
void module_start(void);

/* Reads the list again: after dlopen and dlclose. Returns true when something changed.
 * locks: the loader's, then RANK_MODULE. Call with the gate shut, holding none of ours. */
bool module_refresh(void);

/* Takes up the one module at this address that the list does not have yet, as while its constructors run inside dlopen.
 * Needs glibc 2.35's _dl_find_object, which takes no lock of the loader's; set by whoever may call dlsym.
 * locks: RANK_MODULE. False: nothing new there. */
struct dl_find_object;
typedef int (*module_lookup)(void *addr, struct dl_find_object *result);
void module_set_lookup(module_lookup f);
bool module_learn(uintptr_t addr);

/* The module mapped at this address, or NULL. Lock-free, async-signal-safe, O(log modules). */
const struct module *module_find(uintptr_t addr);

/* The module whose thread-local block of fixed place lies `below` bytes below a thread's pointer, or NULL. O(modules). */
const struct module *module_by_tls(uintptr_t below);

const struct module *module_by_id(uint32_t id);

/* A copy of its program headers (Elf64_Phdr[*nr]) that stays valid after a dlclose. */
const void *module_phdr(const struct module *m, unsigned *nr);

/* The run-time bounds of the readable (and, if asked, executable) segment that holds addr; false: none does. */
bool module_segment(const struct module *m, uintptr_t addr, bool exec, uintptr_t *lo, uintptr_t *hi);

uint32_t module_count(void);

/* A number that changes whenever an address may have changed its meaning (a module went away). */
uint32_t module_epoch(void);

void module_fork_child(void);

#endif
