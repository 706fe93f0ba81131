/*
 * python.h - CPython's own frames, beside the native ones of the thread that runs them.
 *
 * The interpreter is found at run time by whoever may call dlsym (hooks/python.c). Its structures are read directly, with the
 * offsets of the few versions known here, and only after they have been proved in the running process: python_walk, reading
 * carefully, must agree with what the interpreter's public functions say of the same frames. Nothing is read unless the calling
 * thread holds the interpreter's lock, so no frame can go away meanwhile.
 *
 * A Python frame in the depot has module DEPOT_PYTHON; its offset names a place (file, function, line). `exact` marks the last
 * one that one native evaluation runs: from 3.11 on, a call from Python to Python is no native call.
 */
#ifndef SNARL_CORE_PYTHON_H
#define SNARL_CORE_PYTHON_H

#include "base/compiler.h"

#define PYTHON_DEPTH 64u

struct python_api {
	unsigned version;                  /* as in PY_VERSION_HEX >> 16: 0x030b */
	void *(*own_state)(void);          /* PyGILState_GetThisThreadState */
	void *(*running_state)(void);      /* _PyThreadState_UncheckedGet */
	int (*line)(void *code, int at);   /* PyCode_Addr2Line */
	uintptr_t eval, eval_bytes;        /* _PyEval_EvalFrameDefault */
	uintptr_t runtime, runtime_bytes;  /* _PyRuntime: the GIL and its like lie in it */
};

/* False: a version whose structures are not known here. */
bool python_known(const struct python_api *api);

/* Is a library called libpython* there? Where none is, nothing need be looked up. */
bool python_library(void);

/* From here on stacks have Python frames. */
void python_switch_on(void);
extern _Atomic bool python_on;

/* The id of the interpreter's module, 0 none. */
uint32_t python_module(void);
/* Are these bytes the interpreter's writable data? */
bool python_owns_data(uintptr_t addr, size_t bytes);
/* Does it lie in the interpreter's own state (its GIL)? */
bool python_internal(uintptr_t addr);

struct python_frame {
	uintptr_t code;
	int at;     /* as PyCode_Addr2Line wants it */
	bool entry; /* called natively */
};

/* The frames of a thread state, innermost first. careful: never faults, whatever the offsets. Returns how many. */
unsigned python_walk(void *state, struct python_frame *out, unsigned max, bool careful);

/* Where the interpreter's own reading is to be compared: the objects that name the code. careful as above. */
bool python_names(uintptr_t code, uintptr_t *file, uintptr_t *name, int *first_line);
/* A str object as UTF-8, cut to fit; false: it is none. */
bool python_text(uintptr_t str, char *out, size_t cap, bool careful);

/* Does the calling thread run Python code at this moment, holding the interpreter's lock? Its state, or NULL. */
void *python_running(void);

/* A call of the program's from Python into a lock's method: it gives the interpreter's lock away and blocks. */
struct python_call {
	const struct python_call *outer;
	uintptr_t sem;    /* the lock's semaphore */
	uintptr_t frame;  /* innermost Python frame, as it was */
	uint32_t stack;   /* depot id of the Python frames */
	uint32_t how;     /* enum order_how */
	bool scoped;      /* by a with statement */
	const char *name; /* for people */
};

struct stack_cache;
/* Fills in where it comes from. The gate is shut. */
void python_call_here(struct stack_cache *c, struct python_call *call);

/* The Python frames of the calling thread as a stack of their own (depot id); 0: none, or not to be had now. The gate is shut. */
uint32_t python_stack(struct stack_cache *c);
/* The native stack with the Python frames put in where they run. */
uint32_t python_both(struct stack_cache *c, uint32_t native, uint32_t python);

/* What a frame of module DEPOT_PYTHON stands for. */
struct python_place {
	const char *file, *function;
	uint32_t line;
};
const struct python_place *python_place(uint64_t offset);

/* ---- between python*.c only ---- */

uintptr_t python_innermost(void *state);
/* What a code object shares with no other at its address. */
void python_identity(uintptr_t code, uintptr_t part[4]);
void python_resolve(const struct python_frame *f, char *file, char *function, size_t cap, uint32_t *line);
/* The interpreter's module, and its evaluation as offsets in it. */
uint32_t python_eval(uint64_t *lo, uint64_t *hi);

void python_fork_child(void);

#endif
