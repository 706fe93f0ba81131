/*
 * symbols_block.c - What a block of the heap holds, by the types of the pointers in reach of the code that uses it.
 *
 * Nothing says of which type a block is. A C++ container's allocator does, in its template argument; else a pointer in the
 * scopes of the access whose target is as large as the block is taken, and better one whose member stands in the source line.
 */
#include "symbols_file.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "source.h"

#define MAX_TYPES 256

struct types {
	Dwarf_Die die[MAX_TYPES];
	unsigned nr;
};

static bool is_record(Dwarf_Die *type)
{
	int tag = dwarf_tag(type);
	return tag == DW_TAG_structure_type || tag == DW_TAG_class_type || tag == DW_TAG_union_type;
}

static void push(struct types *t, Dwarf_Die *type)
{
	Dwarf_Word size;
	if (!is_record(type) || dwarf_aggregate_size(type, &size) != 0 || t->nr == MAX_TYPES)
		return;
	for (unsigned i = 0; i < t->nr; i++)
		if (dwarf_dieoffset(&t->die[i]) == dwarf_dieoffset(type))
			return;
	t->die[t->nr++] = *type;
}

/* The first template argument that is a type. */
static bool argument(Dwarf_Die *type, Dwarf_Die *arg)
{
	Dwarf_Die child;
	if (dwarf_child(type, &child) != 0)
		return false;
	do {
		if (dwarf_tag(&child) == DW_TAG_template_type_parameter)
			return symbols_type_of(&child, arg);
	} while (dwarf_siblingof(&child, &child) == 0);
	return false;
}

static bool is_pointer(Dwarf_Die *type)
{
	int tag = dwarf_tag(type);
	return tag == DW_TAG_pointer_type || tag == DW_TAG_reference_type || tag == DW_TAG_rvalue_reference_type;
}

static void push_members(struct types *t, Dwarf_Die *record, unsigned depth);

/* What a variable or member of that type points to. */
static void push_target(struct types *t, Dwarf_Die *typed, unsigned depth)
{
	Dwarf_Die type, target;
	if (!symbols_type_of(typed, &type))
		return;
	const char *name = dwarf_diename(&type);
	if (is_record(&type) && name && strstr(name, "_ptr<") && argument(&type, &target))
		push(t, &target);
	if (!is_pointer(&type) || !symbols_type_of(&type, &target))
		return;
	/* A reference to a pointer, as lambdas hold them. */
	for (unsigned i = 0; i < 2; i++)
		if (is_pointer(&target) && !symbols_type_of(&target, &target))
			return;
	name = dwarf_diename(&target);
	if (is_record(&target) && name && strstr(name, "_ptr<"))
		argument(&target, &target);
	push(t, &target);
	if (depth && !dwarf_diename(&target))
		push_members(t, &target, depth - 1); /* a lambda, perhaps */
}

static void push_members(struct types *t, Dwarf_Die *record, unsigned depth)
{
	Dwarf_Die child;
	if (dwarf_child(record, &child) != 0)
		return;
	do {
		if (dwarf_tag(&child) == DW_TAG_member)
			push_target(t, &child, depth);
	} while (dwarf_siblingof(&child, &child) == 0);
}

static void push_variables(struct types *t, Dwarf_Die *scope)
{
	Dwarf_Die child;
	if (dwarf_child(scope, &child) != 0)
		return;
	do {
		int tag = dwarf_tag(&child);
		if (tag == DW_TAG_variable || tag == DW_TAG_formal_parameter)
			push_target(t, &child, 1);
	} while (dwarf_siblingof(&child, &child) == 0);
}

static void push_scopes(struct types *t, const struct symbols_spot *spot)
{
	Dwarf_Die *scopes = NULL;
	int nr = spot->file ? symbols_scopes(spot->file, spot->address, &scopes) : 0;
	for (int i = 0; i < nr; i++) {
		int tag = dwarf_tag(&scopes[i]);
		Dwarf_Attribute attr;
		Dwarf_Die origin;
		push_variables(t, &scopes[i]);
		/* What was optimised away still had a type. */
		if (dwarf_attr(&scopes[i], DW_AT_abstract_origin, &attr) && dwarf_formref_die(&attr, &origin))
			push_variables(t, &origin);
		if (tag == DW_TAG_subprogram)
			break;
	}
	free(scopes);
}

/* ---- choosing ---------------------------------------------------------------------------------------------------- */

struct question {
	struct symbols *s;
	uint64_t bytes, offset;
	const char *hint;
};

static const char *words(const struct question *q, Dwarf_Die *type, bool *atomic)
{
	Dwarf_Word size;
	const char *name = dwarf_diename(type);
	if (!name || dwarf_aggregate_size(type, &size) != 0 || size == 0)
		return NULL;
	name = symbols_scoped(q->s, type, mem_copy(&q->s->mem, name, strlen(name)));
	if (q->bytes > size)
		name = mem_printf(&q->s->mem, "%s[%llu]", name, (unsigned long long)(q->offset / size));
	return symbols_descend(q->s, type, name, q->offset % size, q->hint, atomic);
}

/* Its last member stands in the source. */
static bool mentioned(const struct question *q, const char *path)
{
	const char *last = strrchr(path, '.');
	return q->hint && last && source_mentions(q->hint, last + 1, strcspn(last + 1, "[+"));
}

/* Of the types from `from` on. Exact: as large as the block; else it may be an array of them. */
static bool choose(const struct question *q, struct types *t, unsigned from, bool exact, bool sure, struct symbols_datum *d)
{
	const char *only = NULL;
	bool several = false;
	for (unsigned i = from; i < t->nr; i++) {
		Dwarf_Word size;
		if (dwarf_aggregate_size(&t->die[i], &size) != 0 || size < 2 || (exact ? size != q->bytes : size >= q->bytes || q->bytes % size))
			continue;
		bool atomic;
		const char *path = words(q, &t->die[i], &atomic);
		if (!path)
			continue;
		if (mentioned(q, path)) {
			*d = (struct symbols_datum){ .name = path, .atomic = atomic };
			return true;
		}
		several |= only && strcmp(only, path) != 0;
		only = path;
	}
	if (!only || several || sure)
		return false;
	/* By its size alone: good enough to name it, not to take it for an atomic. */
	*d = (struct symbols_datum){ .name = only };
	return true;
}

/* new_allocator<T>::allocate knows what it allocates. */
static bool of_allocator(const struct question *q, const struct symbols_spot *spot, struct symbols_datum *d)
{
	Dwarf_Die *scopes = NULL, element;
	bool found = false;
	int nr = spot->file ? symbols_scopes(spot->file, spot->address, &scopes) : 0;
	for (int i = 0; i < nr && !found; i++) {
		Dwarf_Die class;
		int tag = dwarf_tag(&scopes[i]);
		if (tag != DW_TAG_subprogram && tag != DW_TAG_inlined_subroutine)
			continue;
		const char *name = symbols_class_of(&scopes[i], &class) ? dwarf_diename(&class) : NULL;
		Dwarf_Word size;
		if (name && strstr(name, "new_allocator<") && argument(&class, &element) && dwarf_aggregate_size(&element, &size) == 0 && size > 1) {
			bool atomic = false;
			const char *path = symbols_of_library(q->s, &element) ? NULL : words(q, &element, &atomic);
			if (path)
				*d = (struct symbols_datum){ .name = path, .atomic = atomic };
			found = true;
		}
		if (tag == DW_TAG_subprogram)
			break;
	}
	free(scopes);
	return found;
}

bool symbols_block(struct symbols *s, const struct symbols_spot *made, unsigned nr_made, const struct symbols_spot *used,
		   unsigned nr_used, uint64_t bytes, uint64_t offset, const char *hint, struct symbols_datum *d)
{
	struct question q = { s, bytes, offset, hint };
	*d = (struct symbols_datum){ 0 };
	for (unsigned i = 0; i < nr_made; i++)
		if (of_allocator(&q, &made[i], d))
			return d->name != NULL;
	struct types *t = mem_alloc(sizeof *t);
	for (unsigned i = 0; i < nr_used; i++)
		push_scopes(t, &used[i]);
	bool found = choose(&q, t, 0, true, true, d) || choose(&q, t, 0, false, true, d);
	unsigned near = t->nr;
	if (!found) {
		for (unsigned i = 0; i < near; i++)
			push_members(t, &t->die[i], 0);
		if (nr_used && used[0].file) {
			symbols_list_variables(used[0].file);
			for (size_t i = 0; i < used[0].file->nr_variables; i++)
				push_target(t, &used[0].file->variables[i].die, 0);
		}
		found = choose(&q, t, near, true, true, d) || choose(&q, t, near, false, true, d);
	}
	if (!found) {
		t->nr = near;
		found = choose(&q, t, 0, true, false, d);
	}
	free(t);
	return found;
}

/* ---- the variable behind a reference ----------------------------------------------------------------------------- */

struct guess {
	const char *name;
	bool several;
};

static void take(struct guess *g, const char *name)
{
	g->several |= g->name && strcmp(g->name, name) != 0;
	g->name = name;
}

/* What a lambda holds by reference: "__local" in gcc's words, "local" in clang's. */
static void captured(struct symbols *s, Dwarf_Die *closure, const char *hint, struct guess *g)
{
	Dwarf_Die child, type;
	if (dwarf_diename(closure) || dwarf_child(closure, &child) != 0)
		return;
	do {
		const char *name = dwarf_tag(&child) == DW_TAG_member ? dwarf_diename(&child) : NULL;
		if (!name || !symbols_type_of(&child, &type) || dwarf_tag(&type) != DW_TAG_reference_type)
			continue;
		name += strncmp(name, "__", 2) == 0 ? 2 : 0;
		if (source_mentions(hint, name, strlen(name)))
			take(g, mem_copy(&s->mem, name, strlen(name)));
	} while (dwarf_siblingof(&child, &child) == 0);
}

static void members(struct symbols *s, Dwarf_Die *record, uint64_t bytes, const char *hint, struct guess *g)
{
	Dwarf_Die child, type;
	const char *class = dwarf_diename(record);
	if (!class || symbols_of_library(s, record) || dwarf_child(record, &child) != 0)
		return;
	do {
		Dwarf_Attribute attr;
		Dwarf_Word size;
		const char *name = dwarf_tag(&child) == DW_TAG_member ? dwarf_diename(&child) : NULL;
		if (!name || dwarf_attr(&child, DW_AT_external, &attr) || !symbols_type_of(&child, &type) ||
		    dwarf_aggregate_size(&type, &size) != 0 || size != bytes || !source_mentions(hint, name, strlen(name)))
			continue;
		take(g, mem_printf(&s->mem, "%s.%s", symbols_scoped(s, record, class), name));
	} while (dwarf_siblingof(&child, &child) == 0);
}

const char *symbols_referred(struct symbols *s, const struct symbols_spot *used, unsigned nr_used, uint64_t bytes, const char *hint)
{
	struct guess g = { 0 };
	struct types *t = mem_alloc(sizeof *t);
	memset(t, 0, sizeof *t);
	for (unsigned i = 0; hint && i < nr_used; i++)
		push_scopes(t, &used[i]);
	for (unsigned i = 0; i < t->nr; i++)
		captured(s, &t->die[i], hint, &g);
	for (unsigned i = 0; !g.name && i < t->nr; i++)
		members(s, &t->die[i], bytes, hint, &g);
	free(t);
	return g.several ? NULL : g.name;
}
