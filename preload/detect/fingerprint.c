#include "detect/fingerprint.h"

#include "core/depot.h"
#include "core/module.h"
#include "core/object.h"
#include "core/python.h"

#include <string.h>

/* More than the call itself, less than the whole way there: one bug reached by two ways is one bug. */
#define FRAMES 3u

#define FNV_START 0xcbf29ce484222325u
#define FNV_PRIME 0x100000001b3u

static uint64_t add(uint64_t h, const void *p, size_t n)
{
	for (const unsigned char *c = p; n--; c++)
		h = (h ^ *c) * FNV_PRIME;
	return h;
}

static uint64_t add_module(uint64_t h, uint32_t id)
{
	const struct module *m = id ? module_by_id(id) : NULL;
	const char *path = m && m->path ? m->path : "";
	const char *base = strrchr(path, '/');
	base = base ? base + 1 : path;
	return add(h, base, strlen(base));
}

/* The interpreter's own frames are the same everywhere: where Python code runs, it alone tells places apart. */
static uint64_t add_python(uint64_t h, const struct depot_stack *s)
{
	for (unsigned i = 0, n = 0; i < s->nr && n < FRAMES; i++) {
		if (s->frame[i].module != DEPOT_PYTHON)
			continue;
		const struct python_place *p = python_place(s->frame[i].offset);
		const char *base = strrchr(p->file, '/');
		base = base ? base + 1 : p->file;
		h = add(h, base, strlen(base));
		h = add(h, p->function, strlen(p->function));
		h = add(h, &p->line, sizeof p->line);
		n++;
	}
	return h;
}

static uint64_t add_stack(uint64_t h, uint32_t id)
{
	const struct depot_stack *s = depot_get(id);
	for (unsigned i = 0; s && i < s->nr; i++)
		if (s->frame[i].module == DEPOT_PYTHON)
			return add_python(h, s);
	for (unsigned i = 0; s && i < s->nr && i < FRAMES; i++) {
		uint64_t offset = s->frame[i].offset;
		h = add_module(h, s->frame[i].module);
		if (s->frame[i].module)
			h = add(h, &offset, sizeof offset);
	}
	return h;
}

static uint64_t add_class(uint64_t h, uint32_t lock)
{
	const struct object *o = object_by_id(lock);
	const struct module *m = o->place == PLACE_STATIC ? module_find(o->addr) : NULL;
	h = add(h, &o->kind, 1);
	if (m) {
		uintptr_t offset = o->addr - m->bias;
		return add(add_module(h, m->id), &offset, sizeof offset);
	}
	return add_stack(h, o->init_stack ? o->init_stack : o->first_stack);
}

static uint64_t of_thread(const struct finding_thread *t)
{
	uint64_t h = add(FNV_START, t->role, strlen(t->role));
	h = add_stack(h, t->stack);
	if (t->wants) {
		h = add_class(h, t->want_lock);
		h = add_stack(h, t->want_stack);
	}
	return h;
}

uint64_t fingerprint_of(const struct finding *f)
{
	const char *slug = kind_facts[f->kind].slug;
	uint64_t h = add(FNV_START, slug, strlen(slug)), sum = 0;
	if (f->chance) /* the same two places without it are another finding */
		h = add(h, "chance", 6);
	/* Sums, because a ring has no first member. */
	for (unsigned i = 0; i < f->nr_threads; i++)
		sum += of_thread(&f->thread[i]);
	for (unsigned i = 0; i < f->nr_locks; i++)
		sum += add_class(FNV_START, f->lock[i]);
	return add(h, &sum, sizeof sum);
}
