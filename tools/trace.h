/*
 * trace.h - Stacks with symbols, and which of their frames a person looks for.
 */
#ifndef SNARL_TOOLS_TRACE_H
#define SNARL_TOOLS_TRACE_H

#include "symbols.h"

enum frame_role {
	FRAME_PROGRAM,
	FRAME_WRAPPER, /* std::mutex::lock and its like: not where the story is */
	FRAME_TAIL,    /* how any thread starts */
	FRAME_INNER,   /* of an interpreter, beside the frames of what it runs */
};

struct frame {
	struct symbols_place place;
	const struct module *module; /* NULL: raw address (JIT) */
	uint64_t offset;
	bool exact;
	bool interpreted; /* no native code: place is all there is */
	uint64_t started; /* of an interpreted one: its program */
	enum symbols_state state;
	enum frame_role role;
};

struct trace {
	uint64_t id;
	unsigned nr, site; /* site: the frame the story is in; nr when there is none */
	bool cut;
	struct frame *frames;
};

/* NULL when the journal has no such stack. Made once and kept with the model. */
const struct trace *trace_get(struct symbols *syms, struct section *s, uint64_t stack);

/* The frame the story is in, or NULL. */
const struct frame *trace_site(const struct trace *t);

const char *trace_module_name(const struct frame *f); /* base name, "?" */

#endif
