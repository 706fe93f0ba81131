/*
 * report_text.c - One finding as text: the story in the first lines, then how it came about, then every stack.
 */
#include "report.h"

#include <stdlib.h>
#include <string.h>

#define MAX_STORY   8  /* parties told in a line each */
#define MAX_DETAILS 16 /* parties with their stacks, without --verbose */
/* Races, without --verbose: told in full, then as their story alone, then counted. Nobody reads a thousand; the first are the clue. */
#define RACES_IN_FULL 40
#define RACES_IN_ALL  200

static const char *place(struct report *r, const struct finding *f, uint64_t stack)
{
	return names_site(&r->names, f->section, stack);
}

static const char *lock(struct report *r, const struct finding *f, uint64_t id)
{
	return names_lock(&r->names, f->section, id);
}

static bool reading(const struct finding *f, uint64_t id, const char *mode)
{
	const struct lock *l = model_lock(f->section, id);
	return l && l->kind == LOCK_RWLOCK && strcmp(mode, "read") == 0;
}

/* ---- the story --------------------------------------------------------------------------------------------------- */

static void put_thread(struct report *r, const struct finding *f, uint64_t thread)
{
	out_put(&r->out, OUT_PLAIN, "  ");
	out_put(&r->out, OUT_BOLD, "%s", names_thread(&r->names, f->section, thread, true));
}

static void put_at(struct report *r, const struct finding *f, uint64_t stack)
{
	if (model_stack(f->section, stack))
		out_put(&r->out, OUT_PLACE, " (%s)", place(r, f, stack));
}

static void put_want(struct report *r, const struct finding *f, const struct want *w, const char *verb, bool again)
{
	struct out *o = &r->out;
	if (w->lock) {
		const struct lock *l = model_lock(f->section, w->lock);
		out_put(o, OUT_PLAIN, " %s ", verb);
		out_put(o, OUT_LOCK, "%s", lock(r, f, w->lock));
		if (reading(f, w->lock, w->mode))
			out_put(o, OUT_PLAIN, " (to read)");
		else if (l && l->kind == LOCK_RWLOCK)
			out_put(o, OUT_PLAIN, " (to write)");
		out_put(o, OUT_PLAIN, again ? " again" : "");
	} else {
		out_put(o, OUT_PLAIN, " waits for the end of %s",
			w->thread ? names_thread(&r->names, f->section, w->thread, false) : "a thread");
	}
	put_at(r, f, w->stack);
	if (w->how && strcmp(w->how, "timed") == 0)
		out_put(o, OUT_PLAIN, ", for a limited time");
}

static void put_hold(struct report *r, const struct finding *f, const struct hold *h, const char *verb)
{
	out_put(&r->out, OUT_PLAIN, " %s ", verb);
	out_put(&r->out, OUT_LOCK, "%s", lock(r, f, h->lock));
	if (reading(f, h->lock, h->mode))
		out_put(&r->out, OUT_PLAIN, " (to read)");
	put_at(r, f, h->stack);
}

/* What follows from it, in words that do not need the theory. */
static const char *consequence(const struct finding *f)
{
	bool timed = f->grade == GRADE_ADVICE;
	switch (f->kind) {
	case KIND_DEADLOCK:
		return timed ? "It resolves itself when the timed wait gives up." : "None of them can ever go on.";
	case KIND_LOCK_ORDER:
		return timed ? "If these meet, they wait until the timed one gives up."
			     : "It did not hang this time; if these run at the same moment, it will.";
	case KIND_SELF_DEADLOCK:
	case KIND_LOCK_UPGRADE:
		return timed ? "It waits in vain until its time is over." : "It waits for itself, for ever.";
	case KIND_STALL:
		return timed ? "Only a signal, a timer or another process can wake them."
			     : "Nothing inside can wake them.";
	case KIND_DEAD_OWNER:
		return "Nobody is left to release it.";
	case KIND_DATA_RACE:
		if (report_race_freed(f) && !f->chance)
			return "What is used may have been freed.";
		return f->chance ? "Which of them got a lock first kept them apart this time." : "What is read or left there is a matter of luck.";
	case KIND_UNGUARDED_WRITE:
		return "Whoever holds the lock may see it change.";
	default:
		return NULL;
	}
}

static void story_ring(struct report *r, const struct finding *f)
{
	bool happened = f->kind != KIND_LOCK_ORDER;
	unsigned nr = f->nr_parties <= MAX_STORY ? f->nr_parties : MAX_STORY - 1;
	for (unsigned i = 0; i < nr; i++) {
		const struct party *p = &f->parties[i];
		const struct hold *h = report_ring_hold(f, i);
		put_thread(r, f, p->thread);
		if (h)
			put_hold(r, f, h, happened ? "holds" : "locked");
		if (h)
			out_put(&r->out, OUT_PLAIN, " and");
		put_want(r, f, &p->wants,
			 happened ? "waits for"
			 : h      ? "then wanted"
				  : "wanted",
			 h && h->lock == p->wants.lock);
		out_put(&r->out, OUT_PLAIN, ".\n");
	}
	if (nr < f->nr_parties)
		out_put(&r->out, OUT_PLAIN, "  ... and so on: %u threads in a ring.\n", f->nr_parties);
}

/* What an onlooker has to do with it: older runtimes recorded a waiter's stack where a holder's would be. */
static const char *onlooker(const struct finding *f)
{
	if (f->kind == KIND_DESTROY_WAITED ||
	    (f->kind == KIND_REINIT_LIVE && f->message && strstr(f->message, "waits")))
		return "waits on";
	return f->kind == KIND_DEAD_OWNER || f->kind == KIND_FORK_HELD ? "had locked" : "holds";
}

static void story_party(struct report *r, const struct finding *f, const struct party *p, bool first)
{
	struct out *o = &r->out;
	uint64_t about = f->nr_locks ? f->locks[0] : 0;
	put_thread(r, f, p->thread);
	if (p->wants_any) {
		put_want(r, f, &p->wants, "waits for", false);
	} else if (strcmp(p->role, "other") == 0) {
		if (p->nr_holds)
			put_hold(r, f, &p->holds[0], onlooker(f));
		else
			out_put(o, OUT_PLAIN, " is %s",
				f->kind == KIND_JOIN_MISUSE ? "the thread that was to be joined"
				: about                     ? "the one that holds it"
							    : "the other one");
	} else if (p->nr_holds) {
		put_hold(r, f, &p->holds[0], "holds");
	} else if (f->kind == KIND_THREAD_LEAK) {
		const struct thread *t = model_thread(f->section, p->thread);
		uint64_t born = t && t->created ? t->created : p->stack;
		out_put(o, OUT_PLAIN, " was created");
		out_put(o, OUT_PLACE, " at %s", place(r, f, born));
	} else {
		out_put(o, OUT_PLAIN, " called %s", f->call ? f->call : "it");
		for (unsigned i = 0; i < f->nr_locks; i++) {
			out_put(o, OUT_PLAIN, i ? " and " : " on ");
			out_put(o, OUT_LOCK, "%s", lock(r, f, f->locks[i]));
		}
		put_at(r, f, p->stack);
	}
	if (first && f->error)
		out_put(o, OUT_PLAIN, ", which returned %s", f->error);
	/* Where the headline or the error has said it already, once is enough. */
	bool said = consequence(f) || (f->kind == KIND_CALL_ERROR && f->error);
	if (first && !said && f->message && *f->message)
		out_put(o, OUT_PLAIN, ": %s", f->message);
	out_put(o, OUT_PLAIN, ".\n");
}

static void story(struct report *r, const struct finding *f)
{
	if ((f->kind == KIND_DATA_RACE || f->kind == KIND_UNGUARDED_WRITE) && f->nr_parties) {
		report_race_story(r, f);
		return;
	}
	if (report_is_ring(f) && (f->nr_parties > 1 || report_ring_hold(f, 0))) {
		story_ring(r, f);
		return;
	}
	unsigned nr = f->nr_parties <= MAX_STORY ? f->nr_parties : MAX_STORY - 1;
	for (unsigned i = 0; i < nr; i++)
		story_party(r, f, &f->parties[i], i == 0 && f->kind != KIND_STALL);
	if (nr < f->nr_parties)
		out_put(&r->out, OUT_PLAIN, "  ... and %u more threads.\n", f->nr_parties - nr);
	if (f->nr_parties == 0 && f->message)
		out_put(&r->out, OUT_PLAIN, "  %s.\n", names_sentence(&r->names, f->message));
}

/* ---- details ----------------------------------------------------------------------------------------------------- */

static void detail_thread(struct report *r, const struct finding *f, uint64_t id)
{
	struct out *o = &r->out;
	const struct thread *t = model_thread(f->section, id);
	out_put(o, OUT_PLAIN, "\n");
	out_put(o, OUT_BOLD, "%s", names_thread(&r->names, f->section, id, true));
	if (t && t->tid)
		out_put(o, OUT_PLAIN, ", tid %llu", (unsigned long long)t->tid);
	if (t && t->is_main)
		out_put(o, OUT_PLAIN, ", the main thread");
	else if (t && t->parent)
		out_put(o, OUT_PLAIN, ", created by %s", names_thread(&r->names, f->section, t->parent, false));
	const struct trace *born = t ? trace_get(&r->symbols, f->section, t->created) : NULL;
	const struct frame *at = trace_site(born);
	if (at) {
		out_put(o, OUT_PLACE, " at %s", names_place(&r->names, at));
		if (at->place.function && at->place.file)
			out_put(o, OUT_PLAIN, " in %s", at->place.function);
	}
	if (t && t->ended)
		out_put(o, OUT_PLAIN, ", ended");
	out_put(o, OUT_PLAIN, "\n");
	if (r->verbose && born && !t->is_main) {
		out_put(o, OUT_PLAIN, "  created here:\n");
		report_text_stack(r, born, 4);
	}
}

static void detail_party(struct report *r, const struct finding *f, const struct party *p, bool same_thread)
{
	struct out *o = &r->out;
	const struct want *w = &p->wants;
	if (!same_thread)
		detail_thread(r, f, p->thread);
	if (p->access.size)
		report_race_party(r, f, p);
	if (p->wants_any) {
		const char *verb = f->kind == KIND_LOCK_ORDER ? "wanted" : "waits for";
		out_put(o, OUT_PLAIN, "  %s ", verb);
		if (w->lock)
			out_put(o, OUT_LOCK, "%s", lock(r, f, w->lock));
		else
			out_put(o, OUT_PLAIN, "the end of %s", names_thread(&r->names, f->section, w->thread, false));
		out_put(o, OUT_PLAIN, "%s%s%s%s:\n", reading(f, w->lock, w->mode) ? ", to read," : "",
			w->call ? " in " : "", w->call ? w->call : "",
			w->how && strcmp(w->how, "timed") == 0 ? ", with a time limit" : "");
		report_text_stack(r, trace_get(&r->symbols, f->section, w->stack), 4);
	}
	for (unsigned h = 0; h < p->nr_holds; h++) {
		out_put(o, OUT_PLAIN, "  %s ",
			f->kind == KIND_LOCK_ORDER      ? "had locked"
			: strcmp(p->role, "earlier") == 0 || f->kind == KIND_UNGUARDED_WRITE ? "held"
			: strcmp(p->role, "other") == 0 ? onlooker(f)
							: "holds");
		out_put(o, OUT_LOCK, "%s", lock(r, f, p->holds[h].lock));
		out_put(o, OUT_PLAIN, "%s, %s:\n", reading(f, p->holds[h].lock, p->holds[h].mode) ? " (to read)" : "",
			strcmp(onlooker(f), "waits on") == 0 ? "waiting here" : "taken here");
		report_text_stack(r, trace_get(&r->symbols, f->section, p->holds[h].stack), 4);
	}
	if (p->stack && f->kind != KIND_THREAD_LEAK && !p->access.size) {
		out_put(o, OUT_PLAIN, "  %s%s:\n", f->call ? "called " : "was here", f->call ? f->call : "");
		report_text_stack(r, trace_get(&r->symbols, f->section, p->stack), 4);
	} else if (p->stack && !r->verbose && f->kind == KIND_THREAD_LEAK) {
		out_put(o, OUT_PLAIN, "  created here:\n");
		report_text_stack(r, trace_get(&r->symbols, f->section, p->stack), 4);
	}
}

static void detail_lock(struct report *r, const struct finding *f, uint64_t id)
{
	struct out *o = &r->out;
	const struct lock *l = model_lock(f->section, id);
	const struct lock_name *n = names_lock_facts(&r->names, f->section, id);
	out_put(o, OUT_PLAIN, "  ");
	out_put(o, OUT_LOCK, "%s", n->text);
	out_put(o, OUT_PLAIN, ": %s", names_lock_kind(f->section, id));
	for (unsigned i = 0; l && i < l->nr_attrs; i++)
		out_put(o, OUT_PLAIN, ", %s", l->attrs[i]);
	if (l && l->address && n->by != LOCK_BY_ADDRESS)
		out_put(o, OUT_PLAIN, " at 0x%llx", (unsigned long long)l->address);
	static const char *const words[] = {
		[LOCK_BY_SYMBOL] = "declared at", [LOCK_BY_INIT] = "initialised at", [LOCK_BY_FIRST] = "first locked at"
	};
	if (n->by <= LOCK_BY_FIRST && n->file && n->line)
		out_put(o, OUT_PLACE, ", %s %s:%u", words[n->by], names_file(&r->names, n->file), n->line);
	else if (n->trace)
		out_put(o, OUT_PLACE, ", %s %s", words[n->by], names_place(&r->names, trace_site(n->trace)));
	if (n->function && n->by <= LOCK_BY_FIRST)
		out_put(o, OUT_PLAIN, " in %s", n->function);
	if (l && l->contended)
		out_put(o, OUT_PLAIN, ", contended %llu time%s", (unsigned long long)l->contended,
			l->contended == 1 ? "" : "s");
	out_put(o, OUT_PLAIN, "\n");
	if (n->trace && r->verbose)
		report_text_stack(r, n->trace, 4);
}

static bool told(const uint64_t *ids, size_t nr, uint64_t id)
{
	for (size_t i = 0; i < nr; i++)
		if (ids[i] == id)
			return true;
	return !id;
}

static void detail_locks(struct report *r, const struct finding *f)
{
	uint64_t *ids = NULL;
	size_t nr = 0, cap = 0;
	for (unsigned i = 0; i < f->nr_locks; i++)
		if (!told(ids, nr, f->locks[i]))
			*MEM_PUSH(ids, nr, cap) = f->locks[i];
	if (!told(ids, nr, f->usual.lock))
		*MEM_PUSH(ids, nr, cap) = f->usual.lock;
	for (unsigned i = 0; i < f->nr_parties; i++) {
		const struct party *p = &f->parties[i];
		if (!told(ids, nr, p->wants.lock))
			*MEM_PUSH(ids, nr, cap) = p->wants.lock;
		for (unsigned h = 0; h < p->nr_holds; h++)
			if (!told(ids, nr, p->holds[h].lock))
				*MEM_PUSH(ids, nr, cap) = p->holds[h].lock;
	}
	if (nr)
		out_put(&r->out, OUT_BOLD, "\nLocks\n");
	for (size_t i = 0; i < nr; i++)
		detail_lock(r, f, ids[i]);
	free(ids);
}

void report_text_rest(struct report *r)
{
	size_t told = r->races_told;
	if (told > RACES_IN_FULL)
		out_put(&r->out, OUT_PLAIN, "snarl: %zu data races: the first %d are told in full, %s in brief; --verbose, or --format=json of the journal, has all\n",
			told, RACES_IN_FULL, told > RACES_IN_ALL ? "some" : "the others");
}

void report_text_finding(struct report *r, const struct fold *fold)
{
	struct out *o = &r->out;
	const struct finding *f = fold->first;
	const struct kind_facts *facts = f->kind >= 0 ? &kind_facts[f->kind] : NULL;
	const char *more = consequence(f);
	bool race = (f->kind == KIND_DATA_RACE || f->kind == KIND_UNGUARDED_WRITE) && !r->verbose, brief = race && r->races_told >= RACES_IN_FULL;
	if (race && ++r->races_told > RACES_IN_ALL)
		return;
	report_meet(r, f);
	out_put(o, OUT_ALARM, "==== snarl: %s (%s)", f->kind_slug, grade_slugs[f->grade]);
	out_put(o, OUT_PLAIN, " ==== %s, pid %llu", model_program(f->section), (unsigned long long)f->section->pid);
	if (fold->nr_pids > 1)
		out_put(o, OUT_PLAIN, " and %zu other process%s", fold->nr_pids - 1, fold->nr_pids == 2 ? "" : "es");
	if (fold->count > 1)
		out_put(o, OUT_PLAIN, " (%llu times)", (unsigned long long)fold->count);
	out_put(o, OUT_PLAIN, "\n");
	if (!brief)
		out_put(o, OUT_BOLD, "%s.%s%s\n",
			facts        ? facts->title
			: f->message ? f->message
				     : "A finding of a kind unknown to this version",
			more ? " " : "", more ? more : "");
	story(r, f);
	if (brief) {
		out_put(o, OUT_DIM, "To suppress: %s\n\n", suppressions_line(&r->names, f));
		return;
	}
	if (facts)
		out_put(o, OUT_PLAIN, "Usual fix: %s\n",
			report_race_freed(f) ? "Free it when all who use it are done: join them first, or count references."
					     : facts->fix);
	out_put(o, OUT_DIM, "To suppress: %s\n", suppressions_line(&r->names, f));
	if (report_is_ring(f) && f->nr_parties > 1) {
		out_put(o, OUT_PLAIN, "\n");
		report_text_scenario(r, f);
	}
	unsigned nr = r->verbose || f->nr_parties <= MAX_DETAILS ? f->nr_parties : MAX_DETAILS;
	for (unsigned i = 0; i < nr; i++)
		detail_party(r, f, &f->parties[i], i && f->parties[i].thread == f->parties[i - 1].thread);
	if (nr < f->nr_parties)
		out_put(o, OUT_PLAIN, "\n... and %u more threads (all of them with --verbose, or in --format=json)\n",
			f->nr_parties - nr);
	report_race_place(r, f);
	detail_locks(r, f);
	out_put(o, OUT_PLAIN, "\n");
}
