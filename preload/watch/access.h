/* access.h - Which instructions are to be watched. */
#ifndef SNARL_WATCH_ACCESS_H
#define SNARL_WATCH_ACCESS_H

#include "watch/code.h"

enum access {
	ACCESS_NONE,
	ACCESS_PRIVATE,  /* a stack slot nobody else can see */
	ACCESS_CONSTANT, /* reads what nobody writes */
	ACCESS_ODD,      /* of a kind that is not emitted */
	ACCESS_PINNED,   /* by an instruction that cannot be moved */
	ACCESS_WATCH,
};

enum access access_of(const struct code *c, const struct code_function *f, const struct insn *i);

#endif
