#include "detect/emit_facts.h"

#include "base/arena.h"

#include <string.h>

/* One bit per id, grown by doubling. */
struct bits {
	uint64_t *word;
	size_t words;
};
static struct bits modules, stacks;
/* A forked child writes everything again: records written under an older generation count as unwritten. */
static uint32_t generation = 1;
static struct written {
	uint32_t *gen;
	size_t nr;
} threads, locks, lock_ids;

static bool bits_test_set(struct bits *b, uint32_t id)
{
	if (id / 64 >= b->words) {
		size_t words = b->words ? b->words : 64;
		while (id / 64 >= words)
			words *= 2;
		uint64_t *w = arena_map(words * sizeof *w);
		if (!w)
			return false; /* written twice, which a reader takes */
		if (b->word) {
			memcpy(w, b->word, b->words * sizeof *w);
			arena_unmap(b->word, b->words * sizeof *w);
		}
		b->word = w;
		b->words = words;
	}
	bool was = b->word[id / 64] >> id % 64 & 1;
	b->word[id / 64] |= 1ull << id % 64;
	return was;
}

/* What was told about number i, for this generation. */
static uint32_t *written(struct written *w, uint32_t i)
{
	static uint32_t spare;
	if (i >= w->nr) {
		size_t nr = w->nr ? w->nr : 1024;
		while (i >= nr)
			nr *= 2;
		uint32_t *gen = arena_map(nr * sizeof *gen);
		if (!gen) {
			spare = 0;
			return &spare;
		}
		if (w->gen) {
			memcpy(gen, w->gen, w->nr * sizeof *gen);
			arena_unmap(w->gen, w->nr * sizeof *gen);
		}
		w->gen = gen;
		w->nr = nr;
	}
	return &w->gen[i];
}

void emit_module_fact(uint32_t id)
{
	const struct module *m = id ? module_by_id(id) : NULL;
	if (m && !bits_test_set(&modules, id))
		emit_module(m);
}

void emit_stack_fact(uint32_t id)
{
	const struct depot_stack *s = depot_get(id);
	if (!s || bits_test_set(&stacks, id))
		return;
	for (unsigned i = 0; i < s->nr; i++)
		if (s->frame[i].module != DEPOT_PYTHON)
			emit_module_fact(s->frame[i].module);
	emit_stack_line(id, s);
}

/* generation * 4 + 1: it exists; + 2: its end as well. */
static uint32_t thread_state(const struct thread_info *t)
{
	bool over = t->flags & THREAD_ENDED;
	return generation * 4 + (t->joined_by ? 3 : over ? 2 : 1);
}

void emit_thread_fact(uint32_t id)
{
	struct thread_info *t = thread_by_id(id);
	if (!t)
		return;
	uint32_t *w = written(&threads, id), state = thread_state(t);
	if (*w >= state)
		return;
	bool known = *w >= generation * 4;
	*w = state;
	if (!(t->flags & THREAD_ENDED) && t->tid)
		thread_name(t->tid, t->name);
	if (!known) {
		emit_stack_fact(t->created);
		emit_thread_fact(t->parent);
	}
	emit_thread_fact(t->joined_by);
	emit_thread_line(t);
}

void emit_threads_again(void)
{
	for (uint32_t id = 1; id <= thread_count() && id < threads.nr; id++)
		if (threads.gen[id] >= generation * 4)
			emit_thread_fact(id);
}

void emit_lock_fact(uint32_t id)
{
	if (!id)
		return;
	struct object *o = object_by_id(id);
	uint32_t *w = written(&locks, id & ((1u << OBJECT_FAMILY_SHIFT) - 1));
	if (o->id != id || *w == generation)
		return;
	*w = generation;
	*written(&lock_ids, id & ((1u << OBJECT_FAMILY_SHIFT) - 1)) = id;
	o->contended_told = o->contended;
	const struct module *m = o->place == PLACE_STATIC ? module_find(o->addr) : NULL;
	if (m)
		emit_module_fact(m->id);
	emit_stack_fact(o->init_stack);
	emit_stack_fact(o->first_stack);
	emit_lock_line(o);
}

void emit_locks_again(void)
{
	for (uint32_t i = 0; i < locks.nr && i < lock_ids.nr; i++) {
		struct object *o = object_by_id(lock_ids.gen[i]);
		if (locks.gen[i] != generation || o->id != lock_ids.gen[i] || o->contended == o->contended_told)
			continue;
		o->contended_told = o->contended;
		emit_lock_line(o);
	}
}

void emit_facts_reset(void)
{
	if (modules.word)
		memset(modules.word, 0, modules.words * sizeof *modules.word);
	if (stacks.word)
		memset(stacks.word, 0, stacks.words * sizeof *stacks.word);
	generation++;
}
