/* process.h - What the process hooks ask of the runtime (runtime.c sets it; hooks know no floor above them). */
#ifndef SNARL_HOOKS_PROCESS_H
#define SNARL_HOOKS_PROCESS_H

#include "base/compiler.h"

struct process_events {
	/* The process ends this way ("_exit", "exec", "abort"): write down what there is. Called with the gate open or shut. */
	void (*ending)(const char *reason);
	/* An exec failed after all. */
	void (*going_on)(void);
	/* Before the first pthread_create. */
	void (*first_thread)(void);
	/* Modules may have changed: after dlclose. */
	void (*modules_changed)(void);
};
extern struct process_events process_events;

#endif
