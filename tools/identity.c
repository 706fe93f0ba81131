/* identity.c - What makes a finding the same one after a rebuild: everything but addresses, offsets and lines. */
#include "baseline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FNV_START 0xcbf29ce484222325u
#define FNV_PRIME 0x100000001b3u

static uint64_t add(uint64_t h, const char *text)
{
	/* With its end: "ab" and "c" is not "a" and "bc". */
	const char *p = text ? text : "";
	do
		h = (h ^ (unsigned char)*p) * FNV_PRIME;
	while (*p++);
	return h;
}

static const char *base_of(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	return slash ? slash + 1 : path;
}

static uint64_t add_frame(uint64_t h, const struct frame *f)
{
	char offset[32];
	if (f->place.function)
		return add(h, f->place.function);
	if (f->place.file)
		return add(h, base_of(f->place.file));
	/* Nothing but the code itself names it. */
	snprintf(offset, sizeof offset, "%llx", (unsigned long long)f->offset);
	return add(add(h, trace_module_name(f)), offset);
}

/* The function the story is in, and who called it. */
static uint64_t add_stack(uint64_t h, struct names *n, const struct finding *f, uint64_t stack)
{
	const struct trace *t = trace_get(n->symbols, f->section, stack);
	unsigned nr = 0;
	for (unsigned i = t ? t->site : 0; t && i < t->nr && nr < 2; i++)
		if (t->frames[i].role == FRAME_PROGRAM || i == t->site) {
			h = add_frame(h, &t->frames[i]);
			nr++;
		}
	return h;
}

static uint64_t add_lock(uint64_t h, struct names *n, const struct finding *f, uint64_t lock)
{
	if (!lock)
		return add(h, "");
	const struct lock_name *name = names_lock_facts(n, f->section, lock);
	h = add(h, names_lock_kind(f->section, lock));
	if (name->by == LOCK_BY_SYMBOL)
		return add(h, name->symbol);
	if (name->by == LOCK_BY_INIT || name->by == LOCK_BY_FIRST)
		return name->function ? add(h, name->function) : add(h, base_of(name->file));
	return h;
}

/* "slots[3].lock" as "slots[].lock". */
static uint64_t add_variable(uint64_t h, const char *name)
{
	char *copy = mem_alloc(strlen(name) + 1), *to = copy;
	for (const char *p = name; *p; p++) {
		*to++ = *p;
		if (*p == '[')
			while (p[1] && p[1] != ']')
				p++;
	}
	*to = '\0';
	h = add(h, copy);
	free(copy);
	return h;
}

/* Of a race, who came first and under which locks is a matter of schedule. */
static uint64_t of_race(uint64_t h, struct names *n, const struct finding *f)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < f->nr_parties; i++)
		sum += add_stack(FNV_START, n, f, f->parties[i].stack);
	if (names_datum(n, f) && f->place.symbol)
		h = add_variable(h, f->place.symbol);
	else
		h = add_stack(add(h, f->place.what), n, f, f->place.stack);
	return h ^ sum * FNV_PRIME;
}

static uint64_t of_party(struct names *n, const struct finding *f, const struct party *p)
{
	uint64_t h = add(FNV_START, p->role);
	h = add_stack(h, n, f, p->stack);
	if (p->wants_any) {
		h = add_lock(h, n, f, p->wants.lock);
		h = add_stack(h, n, f, p->wants.stack);
	}
	return h;
}

const char *identity_of(struct names *n, const struct finding *f)
{
	uint64_t h = add(FNV_START, f->kind_slug), sum = 0;
	if (f->kind == KIND_DATA_RACE || f->place.what) {
		h = of_race(h, n, f);
	} else {
		/* Sums, because a ring has no first member. */
		for (unsigned i = 0; i < f->nr_parties; i++)
			sum += of_party(n, f, &f->parties[i]);
		for (unsigned i = 0; i < f->nr_locks; i++)
			sum += add_lock(FNV_START, n, f, f->locks[i]);
		h = add(h, f->call) ^ sum * FNV_PRIME;
	}
	return mem_printf(&n->mem, "%016llx", (unsigned long long)h);
}
