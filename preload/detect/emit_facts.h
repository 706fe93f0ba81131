/* emit_facts.h - What the journal has been told already. All under the lock of emit.c. */
#ifndef SNARL_DETECT_EMIT_FACTS_H
#define SNARL_DETECT_EMIT_FACTS_H

#include "core/depot.h"
#include "core/module.h"
#include "core/object.h"
#include "core/thread.h"

/* Each writes the fact and what it refers to, unless that has been done. 0: nothing. */
void emit_module_fact(uint32_t module);
void emit_stack_fact(uint32_t stack);
void emit_thread_fact(uint32_t thread);
void emit_lock_fact(uint32_t lock);
/* Threads that were written and have ended or been joined since. */
void emit_threads_again(void);
/* Locks written before that were waited for since. */
void emit_locks_again(void);
void emit_facts_reset(void);

/* The lines themselves (emit.c). */
void emit_module(const struct module *m);
void emit_stack_line(uint32_t id, const struct depot_stack *s);
void emit_thread_line(struct thread_info *t);
void emit_lock_line(struct object *o);

#endif
