/*
 * emit_edges.c - Dependencies in the journal: each as soon as it is known, so that a killed process leaves its graph behind. Without a
 * journal from the start (a fork, a finding that opened one) all of them at the end.
 */
#include "core/journal.h"
#include "core/object.h"
#include "core/python.h"
#include "detect/emit.h"
#include "detect/emit_facts.h"
#include "detect/emit_fields.h"
#include "detect/emit_line.h"

#define MOST 100000u /* some microseconds each */

static uint32_t nr_edges;
static uint64_t left_out;
static _Atomic bool at_once;

static bool put_edge(const struct order_dep *d)
{
	if (nr_edges >= MOST)
		return false;
	emit_thread_fact(d->thread);
	emit_lock_fact(d->lock);
	emit_stack_fact(d->stack);
	for (unsigned i = 0; i < d->nr_held; i++) {
		emit_lock_fact(d->held[i].lock);
		emit_stack_fact(d->held[i].stack);
	}
	struct fmt f;
	do {
		f = emit_line_start();
		field_u(&f, "{\"type\":\"edge\",\"id\":", nr_edges + 1);
		field_u(&f, ",\"thread\":", d->thread);
		field_u(&f, ",\"seg\":", d->seg);
		field_lock(&f, ",\"lock\":", d->lock);
		field_s(&f, ",\"mode\":", mode_word(d->key));
		field_s(&f, ",\"how\":", how_word(d->key));
		field_u(&f, ",\"stack\":", d->stack);
		fmt_str(&f, ",\"held\":[");
		emit_holds(&f, d->held, d->nr_held);
		fmt_str(&f, "]}");
	} while (!emit_line_end(&f));
	nr_edges++;
	return true;
}

/* The interpreter's own lock is no lock of the program's: everything in it happens under it. */
static bool is_internal(const struct order_dep *d)
{
	bool in = python_internal(object_by_id(d->lock)->addr);
	for (unsigned i = 0; i < d->nr_held; i++)
		in |= python_internal(object_by_id(d->held[i].lock)->addr);
	return in;
}

/* Called with RANK_ORDER held, which ranks below ours. */
static bool edge_each(const struct order_dep *d, void *arg)
{
	(void)arg;
	if (is_internal(d))
		return true;
	emit_begin();
	bool more = put_edge(d);
	emit_done();
	return more;
}

void emit_edges_at_once(bool yes) { atomic_store(&at_once, yes); }

void emit_edge(const struct order_dep *d)
{
	if (!atomic_load_explicit(&at_once, memory_order_relaxed) || is_internal(d))
		return;
	emit_begin();
	left_out += !put_edge(d);
	emit_done();
}

uint64_t emit_edges_end(uint64_t nr_deps)
{
	if (atomic_load(&at_once))
		return left_out;
	if (!journal_has_file() && !journal_has_socket())
		return 0;
	nr_edges = 0;
	order_each(edge_each, NULL);
	return nr_deps > nr_edges && nr_edges >= MOST ? nr_deps - nr_edges : 0;
}

void emit_edges_fork_child(void)
{
	atomic_store(&at_once, false);
	nr_edges = 0;
	left_out = 0;
}
