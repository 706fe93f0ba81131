/* python_stack.c - Python frames as depot stacks: what a frame stands for is interned, what was seen lately is remembered. */
#include "core/python.h"

#include "base/arena.h"
#include "base/spin.h"
#include "core/depot.h"
#include "core/module.h"
#include "core/stack.h"

#include <stdatomic.h>
#include <string.h>

#define MEMO 128u
#define CHUNK 1024u
#define NR_CHUNKS 4096u
#define TEXT_MAX 1024u

struct python_memo {
	struct {
		uint64_t key;
		uint32_t id;
	} chain[MEMO];
	struct {
		uint32_t native, python, id;
	} both[MEMO];
	struct python_frame frame[PYTHON_DEPTH];
	struct depot_frame to[STACK_MAX_DEPTH];
	char text[2][TEXT_MAX];
};

/* Open addressing over numbers from 1; grows while half full. */
struct index {
	uint32_t mask, nr;
	uint32_t *slot;
};

static struct spin lock = SPIN_INIT(RANK_DEPOT);
static struct python_place *_Atomic chunks[NR_CHUNKS];
static _Atomic uint32_t nr_places;
static struct index places, texts;
static const char **text_of;
static uint32_t room_texts;

static uint64_t mix(uint64_t h, uint64_t x)
{
	h = (h ^ x) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 32;
}

const struct python_place *python_place(uint64_t id)
{
	static const struct python_place unknown = { "?", "?", 0 };
	if (!id || id > atomic_load_explicit(&nr_places, memory_order_acquire))
		return &unknown;
	return &atomic_load_explicit(&chunks[id / CHUNK], memory_order_acquire)[id % CHUNK];
}

static uint64_t hash_text(const char *s)
{
	uint64_t h = 1;
	while (*s)
		h = mix(h, (unsigned char)*s++);
	return h;
}

static uint64_t hash_place(const struct python_place *p) { return mix(mix(mix(3, (uintptr_t)p->file), (uintptr_t)p->function), p->line); }

static bool index_room(struct index *x, uint64_t (*hash_of)(uint32_t))
{
	if (x->slot && x->nr < x->mask / 2)
		return true;
	uint32_t slots = x->slot ? 2 * (x->mask + 1) : 1024;
	uint32_t *bigger = arena_calloc(slots, sizeof *bigger);
	if (!bigger)
		return false;
	for (uint32_t id = 1; id <= x->nr; id++) {
		uint32_t i = (uint32_t)hash_of(id) & (slots - 1);
		while (bigger[i])
			i = (i + 1) & (slots - 1);
		bigger[i] = id;
	}
	arena_free(x->slot);
	x->slot = bigger;
	x->mask = slots - 1;
	return true;
}

static uint64_t hash_of_text(uint32_t id) { return hash_text(text_of[id]); }
static uint64_t hash_of_place(uint32_t id) { return hash_place(python_place(id)); }

static const char *intern_text(const char *s)
{
	if (texts.nr + 2 > room_texts) {
		uint32_t room = room_texts ? 2 * room_texts : 256;
		const char **bigger = arena_realloc(text_of, room * sizeof *bigger);
		if (!bigger)
			return "?";
		text_of = bigger;
		room_texts = room;
	}
	if (!index_room(&texts, hash_of_text))
		return "?";
	uint32_t i = (uint32_t)hash_text(s) & texts.mask;
	for (; texts.slot[i]; i = (i + 1) & texts.mask)
		if (strcmp(text_of[texts.slot[i]], s) == 0)
			return text_of[texts.slot[i]];
	char *copy = arena_alloc(strlen(s) + 1);
	if (!copy)
		return "?";
	text_of[texts.nr + 1] = strcpy(copy, s);
	texts.slot[i] = ++texts.nr;
	return copy;
}

static uint32_t intern_place(const char *file, const char *function, uint32_t line)
{
	uint32_t id = 0;
	spin_lock(&lock);
	struct python_place p = { intern_text(file), intern_text(function), line };
	if (index_room(&places, hash_of_place)) {
		uint32_t i = (uint32_t)hash_place(&p) & places.mask;
		for (; places.slot[i] && !id; i = (i + 1) & places.mask) {
			const struct python_place *q = python_place(places.slot[i]);
			if (q->file == p.file && q->function == p.function && q->line == p.line)
				id = places.slot[i];
		}
		uint32_t next = places.nr + 1;
		if (!id && next < CHUNK * NR_CHUNKS) {
			struct python_place *c = chunks[next / CHUNK];
			if (!c)
				chunks[next / CHUNK] = c = arena_alloc(CHUNK * sizeof *c);
			if (c) {
				c[next % CHUNK] = p;
				places.slot[i] = id = next;
				places.nr = next;
				atomic_store_explicit(&nr_places, next, memory_order_release);
			}
		}
	}
	spin_unlock(&lock);
	return id;
}

static struct python_memo *memo_of(struct stack_cache *c)
{
	if (!c->python)
		c->python = arena_map(sizeof *c->python);
	return c->python;
}

/*
 * What tells two chains of frames apart. Code objects come and go, so a number of their fields go in beside the address: one that
 * lies where another lay, with the same file, name, table of lines and first line, is the same code compiled anew.
 */
static uint64_t key_of(const struct python_frame *f, unsigned n)
{
	uint64_t h = n;
	for (unsigned i = 0; i < n; i++) {
		uintptr_t part[4];
		python_identity(f[i].code, part);
		h = mix(h, f[i].code);
		h = mix(h, (uint64_t)(uint32_t)f[i].at << 1 | f[i].entry);
		for (unsigned j = 0; j < ARRAY_SIZE(part); j++)
			h = mix(h, part[j]);
	}
	return h;
}

uint32_t python_stack(struct stack_cache *c)
{
	const struct python_call *call = c->call;
	void *state = python_running();
	/* Inside a lock's method, unless it runs Python code meanwhile (a signal handler). */
	if (call && (!state || python_innermost(state) == call->frame))
		return call->stack;
	struct python_memo *m = state ? memo_of(c) : NULL;
	if (!m)
		return 0;
	unsigned n = python_walk(state, m->frame, PYTHON_DEPTH, false);
	if (!n)
		return 0;
	uint64_t key = key_of(m->frame, n);
	if (m->chain[key % MEMO].key == key)
		return m->chain[key % MEMO].id;
	for (unsigned i = 0; i < n; i++) {
		uint32_t line;
		python_resolve(&m->frame[i], m->text[0], m->text[1], TEXT_MAX, &line);
		uint32_t place = intern_place(m->text[0], m->text[1], line);
		m->to[i] = (struct depot_frame){ .module = DEPOT_PYTHON, .offset = place, .exact = m->frame[i].entry };
	}
	uint32_t id = depot_put(m->to, n, n == PYTHON_DEPTH);
	m->chain[key % MEMO].key = key;
	m->chain[key % MEMO].id = id;
	return id;
}

/* Each native evaluation shows, inside itself, the Python frames it runs. What is left over (an evaluation that was not told by
 * its address) comes after the last one. */
static unsigned splice(struct depot_frame *to, const struct depot_stack *native, const struct depot_stack *python)
{
	uint64_t lo, hi;
	uint32_t module = python_eval(&lo, &hi);
	unsigned n = 0, next = 0, last = 0;
	for (unsigned i = 0; i < native->nr; i++)
		if (native->frame[i].module == module)
			last = i;
	for (unsigned i = 0; i < native->nr && n < STACK_MAX_DEPTH; i++) {
		const struct depot_frame *f = &native->frame[i];
		bool eval = f->module == module && f->offset > lo && f->offset <= hi;
		for (bool end = false; next < python->nr && n < STACK_MAX_DEPTH && (i == last || (eval && !end)); next++) {
			end = python->frame[next].exact;
			to[n++] = python->frame[next];
		}
		if (n < STACK_MAX_DEPTH)
			to[n++] = *f;
	}
	return n;
}

uint32_t python_both(struct stack_cache *c, uint32_t native, uint32_t python)
{
	struct python_memo *m = memo_of(c);
	const struct depot_stack *a = depot_get(native), *b = depot_get(python);
	if (!m || !a || !b)
		return native ? native : python;
	uint32_t i = (uint32_t)mix(native, python) % MEMO;
	if (m->both[i].native != native || m->both[i].python != python) {
		uint32_t id = depot_put(m->to, splice(m->to, a, b), a->cut);
		m->both[i].native = native;
		m->both[i].python = python;
		m->both[i].id = id;
	}
	return m->both[i].id;
}

void python_fork_child(void) { spin_reset(&lock); }
