/*
 * emit_line.h - How lines are made: between emit*.c only.
 *
 * One buffer for all: between emit_begin and emit_done. A line that did not fit is made once more in a bigger one:
 *	do { f = emit_line_start(); … } while (!emit_line_end(&f));
 */
#ifndef SNARL_DETECT_EMIT_LINE_H
#define SNARL_DETECT_EMIT_LINE_H

#include "base/fmt.h"
#include "detect/order.h"

void emit_begin(void);
void emit_done(void);
struct fmt emit_line_start(void);
bool emit_line_end(struct fmt *f);

void emit_holds(struct fmt *f, const struct order_hold *h, unsigned nr);

/* Writes what has not been written of the edges; returns how many of nr_deps were left out. */
uint64_t emit_edges_end(uint64_t nr_deps);
void emit_edges_fork_child(void);

#endif
