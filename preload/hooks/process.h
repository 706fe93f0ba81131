/* process.h - What the process hooks ask of the runtime (runtime.c sets it; hooks know no floor above them). */
#ifndef SNARL_HOOKS_PROCESS_H
#define SNARL_HOOKS_PROCESS_H

#include "base/compiler.h"

struct process_events {
	/* The process ends this way ("_exit", "exec", "abort"): write down what there is; an exec may still fail. Called with the gate open or shut. */
	void (*ending)(const char *reason);
	/* Before the first pthread_create. */
	void (*first_thread)(void);
	/* Modules may have changed: after dlclose. */
	void (*modules_changed)(void);
};
extern struct process_events process_events;

#endif
