/*
 * graph_explain.c - Two locks: who wanted one while holding the other, and which rule keeps each pair from being
 * reported.
 */
#include "graph.h"

#include <stdlib.h>
#include <string.h>

#define MAX_SHOWN 32 /* dependencies of one direction */
#define MAX_DEPTH 64 /* of create and join */

static const struct hold *held(const struct edge *e, uint64_t lock)
{
	for (unsigned i = 0; i < e->nr_held; i++)
		if (e->held[i].lock == lock)
			return &e->held[i];
	return NULL;
}

/* Is (thread a, segment x) over before (thread b, segment y) begins, by creates and joins? */
static bool before(const struct section *s, uint64_t a, uint64_t x, uint64_t b, uint64_t y, unsigned depth)
{
	if (a == b)
		return x <= y;
	if (depth == 0)
		return false;
	const struct thread *ta = model_thread(s, a), *tb = model_thread(s, b);
	if (tb && tb->parent && before(s, a, x, tb->parent, tb->born_seg, depth - 1))
		return true;
	return ta && ta->joined_by && before(s, ta->joined_by, ta->joined_seg, b, y, depth - 1);
}

static bool both_read(const char *a, const char *b)
{
	return strcmp(a, "read") == 0 && strcmp(b, "read") == 0;
}

static bool prefers_writer(const struct section *s, uint64_t lock)
{
	const struct lock *l = model_lock(s, lock);
	for (unsigned i = 0; l && i < l->nr_attrs; i++)
		if (strcmp(l->attrs[i], "prefer-writer") == 0)
			return true;
	return false;
}

/* d: A held, B wanted; e: B held, A wanted. What keeps them apart, or NULL. */
static const char *silencer(struct names *n, struct section *s, const struct edge *d, const struct edge *e)
{
	uint64_t a = e->lock, b = d->lock;
	if (d->thread == e->thread)
		return "both are the same thread's";
	for (unsigned i = 0; i < d->nr_held; i++) {
		const struct hold *g = &d->held[i], *h = g->lock != a && g->lock != b ? held(e, g->lock) : NULL;
		if (h && !both_read(g->mode, h->mode))
			return mem_printf(&n->mem, "both hold the gate lock %s", names_lock(n, s, g->lock));
	}
	if (before(s, d->thread, d->seg, e->thread, e->seg, MAX_DEPTH))
		return "the first is over before the second begins (thread creation or join)";
	if (before(s, e->thread, e->seg, d->thread, d->seg, MAX_DEPTH))
		return "the second is over before the first begins (thread creation or join)";
	if (both_read(d->mode, held(e, b)->mode) && !prefers_writer(s, b))
		return mem_printf(&n->mem, "both only read %s", names_lock(n, s, b));
	if (both_read(e->mode, held(d, a)->mode) && !prefers_writer(s, a))
		return mem_printf(&n->mem, "both only read %s", names_lock(n, s, a));
	return NULL;
}

static void put_dependency(struct report *r, struct out *o, struct section *s, const struct edge *e, uint64_t holds,
			   char letter, unsigned number)
{
	struct names *n = &r->names;
	const struct hold *h = held(e, holds);
	out_put(o, OUT_PLAIN, "    %c%u  %s: locked %s at %s, then wanted %s at %s", letter, number,
		names_thread(n, s, e->thread, false), names_lock(n, s, holds), names_site(n, s, h->stack),
		names_lock(n, s, e->lock), names_site(n, s, e->stack));
	for (unsigned i = 0, others = 0; i < e->nr_held; i++)
		if (e->held[i].lock != holds)
			out_put(o, OUT_PLAIN, "%s%s", others++ ? ", " : "; also held ",
				names_lock(n, s, e->held[i].lock));
	out_put(o, OUT_PLAIN, "%s\n", strcmp(e->how, "timed") == 0 ? " (for a limited time)" : "");
}

static size_t list(struct report *r, struct out *o, struct section *s, uint64_t from, uint64_t to, char letter,
		   const struct edge **found)
{
	struct names *n = &r->names;
	size_t nr = 0;
	for (size_t i = 0; i < s->nr_edges; i++)
		if (s->edges[i].lock == to && held(&s->edges[i], from)) {
			if (nr < MAX_SHOWN)
				found[nr] = &s->edges[i];
			nr++;
		}
	if (nr == 0) {
		out_put(
		    o, OUT_PLAIN,
		    "  %s -> %s: nobody wanted %s while holding %s, except perhaps by trylock, which cannot block\n",
		    names_lock(n, s, from), names_lock(n, s, to), names_lock(n, s, to), names_lock(n, s, from));
		return 0;
	}
	out_put(o, OUT_PLAIN, "  %s -> %s: %zu dependenc%s\n", names_lock(n, s, from), names_lock(n, s, to), nr,
		nr == 1 ? "y" : "ies");
	for (size_t i = 0; i < nr && i < MAX_SHOWN; i++)
		put_dependency(r, o, s, found[i], from, letter, (unsigned)i + 1);
	if (nr > MAX_SHOWN)
		out_put(o, OUT_PLAIN, "    ... and %zu more, not looked at here\n", nr - MAX_SHOWN);
	return nr < MAX_SHOWN ? nr : MAX_SHOWN;
}

static void explain_pair(struct report *r, struct out *o, struct section *s, uint64_t a, uint64_t b)
{
	const struct edge *ab[MAX_SHOWN], *ba[MAX_SHOWN];
	out_put(o, OUT_BOLD, "%s and %s in %s, pid %llu\n", names_lock(&r->names, s, a), names_lock(&r->names, s, b),
		model_program(s), (unsigned long long)s->pid);
	size_t nr_ab = list(r, o, s, a, b, 'p', ab), nr_ba = list(r, o, s, b, a, 'q', ba);
	if (!nr_ab || !nr_ba) {
		out_put(o, OUT_PLAIN, "  Not reported: there is no cycle of these two.\n");
		return;
	}
	for (size_t i = 0; i < nr_ab; i++)
		for (size_t k = 0; k < nr_ba; k++) {
			const char *why = silencer(&r->names, s, ab[i], ba[k]);
			bool timed = strcmp(ab[i]->how, "timed") == 0 || strcmp(ba[k]->how, "timed") == 0;
			out_put(o, OUT_PLAIN, "  p%zu with q%zu: ", i + 1, k + 1);
			if (why)
				out_put(o, OUT_GOOD, "silent: %s\n", why);
			else
				out_put(o, OUT_ALARM, "reported%s\n",
					timed ? " as advice: one of them gives up after a time" : "");
		}
}

static bool word_is(struct names *n, struct section *s, const struct lock *l, const char *word, bool part)
{
	char *end;
	const char *name = names_lock(n, s, l->id);
	if (part)
		return *word && strstr(name, word);
	return strcmp(name, word) == 0 || (*word && strtoull(word, &end, 10) == l->id && !*end) ||
	       (strncmp(word, "0x", 2) == 0 && strtoull(word, &end, 16) == l->address && !*end);
}

/* The locks of a section that `word` names. */
static size_t matching(struct report *r, struct section *s, const char *word, bool part, uint64_t **ids)
{
	struct lock *l, *next;
	size_t nr = 0, cap = 0;
	*ids = NULL;
	HASH_ITER (hh, s->locks, l, next)
		if (word_is(&r->names, s, l, word, part))
			*MEM_PUSH(*ids, nr, cap) = l->id;
	return nr;
}

static bool anywhere(struct report *r, const char *word, bool part)
{
	bool any = false;
	for (size_t i = 0; i < r->model.nr_sections && !any; i++) {
		uint64_t *ids;
		any = matching(r, r->model.sections[i], word, part, &ids) > 0;
		free(ids);
	}
	return any;
}

bool graph_explain(struct report *r, const char *a, const char *b, struct out *o)
{
	bool part_a = !anywhere(r, a, false), part_b = !anywhere(r, b, false);
	const char *unknown = part_a && !anywhere(r, a, true) ? a : part_b && !anywhere(r, b, true) ? b : NULL;
	if (unknown) {
		out_put(o, OUT_PLAIN, "no lock is called '%s'; a name, an id or an address of the journal is wanted\n",
			unknown);
		return false;
	}
	bool any = false;
	for (size_t i = 0; i < r->model.nr_sections; i++) {
		struct section *s = r->model.sections[i];
		uint64_t *as, *bs;
		size_t nr_a = matching(r, s, a, part_a, &as), nr_b = matching(r, s, b, part_b, &bs);
		for (size_t k = 0; k < nr_a; k++)
			for (size_t m = 0; m < nr_b; m++)
				if (as[k] != bs[m]) {
					explain_pair(r, o, s, as[k], bs[m]);
					any = true;
				}
		free(as);
		free(bs);
	}
	if (!any)
		out_put(o, OUT_PLAIN, "%s and %s are never in one process, or are the same lock\n", a, b);
	return true;
}
