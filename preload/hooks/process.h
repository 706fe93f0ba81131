/* process.h - What the process hooks ask of the runtime (runtime.c sets it; hooks know no floor above them). */
#ifndef SNARL_HOOKS_PROCESS_H
#define SNARL_HOOKS_PROCESS_H

#include "base/compiler.h"

#include <signal.h>

struct process_events {
	/* The process ends this way ("_exit", "exec", "abort"): write down what there is; an exec may still fail. Called with the gate open or shut. */
	void (*ending)(const char *reason);
	/* Before main and the executable's constructors, when all libraries' have run; NULL: nobody asks. */
	void (*program_starts)(void);
	/* The program is about to shut itself in: the last chance for a system call. */
	void (*confining)(void);
	/* Before the first pthread_create. */
	void (*first_thread)(void);
	/* Modules may have changed: after dlclose. */
	void (*modules_changed)(void);
	/* The program sets %gs for itself. */
	void (*gs_wanted)(void);
	/* A thread begins that has the thread-local memory of another one. */
	void (*tls_shared)(void);
	/* sigaction(2), where handlers are called through the runtime's own. False: libc's to do. result: 0 or a negative errno. */
	bool (*signal_action)(int nr, const struct sigaction *act, struct sigaction *old, int *result);
	/* Puts the runtime's handler before libc's for cancellation. False: libc's is not there yet. */
	bool (*cancel_signal)(void);
};
extern struct process_events process_events;

/* signal() sets handlers of this signal without SA_RESTART from now on, or with it. */
void hook_interrupts(int nr, bool on);

#endif
