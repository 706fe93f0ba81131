/*
 * tls.h - The gate: the one word every hook looks at first.
 *
 * All zero: the thread is attached, not inside snarl, nobody wants anything of it. One load, one test, then the hot path.
 * Small on purpose: static TLS is carved out of every thread's stack, and some stacks are 16 KiB.
 */
#ifndef SNARL_CORE_TLS_H
#define SNARL_CORE_TLS_H

#include "base/compiler.h"

#include <stdatomic.h>

enum {
	GATE_NEW = 1,  /* not attached yet: so a thread starts */
	GATE_DEAD = 2, /* torn down, or snarl is off */
	GATE_IN = 4,   /* inside snarl: counts in fours */
};

enum {
	POKE_FLUSH = 1,  /* stacks remembered may have changed their meaning */
	POKE_OFF = 2,    /* snarl is off */
	POKE_DISOWN = 4, /* somebody else unlocked what this thread holds */
};

struct thread;

struct tls {
	union {
		uint64_t gate;
		struct {
			uint32_t inside;        /* GATE_*: written by its thread only */
			_Atomic uint32_t poked; /* POKE_*: written by anybody */
		};
	};
	struct thread *thread;
	uintptr_t inside_sp; /* stack pointer where the gate was shut: a frame left by longjmp shows by it */
};

extern __thread struct tls tls __attribute__((tls_model("initial-exec")));

#endif
