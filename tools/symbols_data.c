/*
 * symbols_data.c - Variables by address, from debug information: "pool.lock" instead of "pool+0x28".
 */
#include "source.h"
#include "symbols_file.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 16

static bool fixed_address(Dwarf_Die *die, Dwarf_Addr *at, bool *local)
{
	Dwarf_Attribute attr;
	Dwarf_Op *ops;
	size_t nr;
	if (dwarf_getlocation(dwarf_attr(die, DW_AT_location, &attr), &ops, &nr) != 0)
		return false;
	*local = nr == 2 && (ops[1].atom == DW_OP_GNU_push_tls_address || ops[1].atom == DW_OP_form_tls_address);
	if (*local && (ops[0].atom == DW_OP_const8u || ops[0].atom == DW_OP_const4u)) {
		*at = ops[0].number;
		return true;
	}
	if (nr != 1 && !*local)
		return false;
	if (ops[0].atom == DW_OP_addr) {
		*at = ops[0].number;
		return true;
	}
	Dwarf_Attribute found;
	bool indexed = ops[0].atom == DW_OP_addrx || ops[0].atom == DW_OP_GNU_addr_index;
	if (*local)
		indexed = ops[0].atom == DW_OP_constx || ops[0].atom == DW_OP_GNU_const_index || indexed;
	if (!indexed || dwarf_getlocation_attr(&attr, ops, &found) != 0)
		return false;
	return dwarf_formaddr(&found, at) == 0 || (*local && dwarf_formudata(&found, at) == 0);
}

/* What a person thinks of as one thing: its insides are nobody's business. */
static bool is_lock_name(const char *name)
{
	static const char *const names[] = { "pthread_", "sem_t", "mutex", "_IO_FILE", "mtx_t", "cnd_t", "once_flag" };
	for (unsigned i = 0; name && i < sizeof names / sizeof *names; i++)
		if (strstr(name, names[i]))
			return true;
	return false;
}

/* One of the types on the way to what was found is atomic. */
static bool met_atomic;

static bool is_atomic_type(Dwarf_Die *type)
{
	const char *name = dwarf_diename(type);
	return dwarf_tag(type) == DW_TAG_atomic_type || (name && (strncmp(name, "atomic<", 7) == 0 || strncmp(name, "__atomic_base", 13) == 0 ||
									 strncmp(name, "atomic_", 7) == 0));
}

/* Its type without typedefs and qualifiers; *is_lock when one of the names on the way is a lock's. */
static bool type_of(Dwarf_Die *die, Dwarf_Die *type, bool *is_lock)
{
	Dwarf_Attribute attr;
	*is_lock = false;
	if (!dwarf_attr_integrate(die, DW_AT_type, &attr) || !dwarf_formref_die(&attr, type))
		return false;
	for (unsigned i = 0; i < 64; i++) {
		int tag = dwarf_tag(type);
		met_atomic |= is_atomic_type(type);
		if (tag != DW_TAG_array_type)
			*is_lock |= is_lock_name(dwarf_diename(type));
		if (tag != DW_TAG_typedef && tag != DW_TAG_const_type && tag != DW_TAG_volatile_type &&
		    tag != DW_TAG_atomic_type && tag != DW_TAG_restrict_type)
			return true;
		Dwarf_Die next;
		if (!dwarf_attr_integrate(type, DW_AT_type, &attr) || !dwarf_formref_die(&attr, &next))
			return false;
		*type = next;
	}
	return false;
}

bool symbols_extent(Dwarf_Die *member, uint64_t *start, uint64_t *bytes)
{
	Dwarf_Attribute attr;
	Dwarf_Word at = 0, size, bits;
	Dwarf_Die its;
	bool is_lock;
	if (dwarf_formudata(dwarf_attr(member, DW_AT_data_bit_offset, &attr), &at) == 0 &&
	    dwarf_formudata(dwarf_attr(member, DW_AT_bit_size, &attr), &bits) == 0 && bits) {
		*start = at / 8;
		*bytes = (at + bits - 1) / 8 - *start + 1;
		return true;
	}
	if (dwarf_attr(member, DW_AT_data_member_location, &attr) && dwarf_formudata(&attr, &at) != 0)
		return false;
	if (!type_of(member, &its, &is_lock) || dwarf_aggregate_size(&its, &size) != 0)
		return false;
	*start = at;
	*bytes = size;
	return true;
}

static bool named_in(const char *hint, Dwarf_Die *member, unsigned depth)
{
	const char *name = dwarf_diename(member);
	Dwarf_Die type, child;
	bool is_lock;
	if (name)
		return source_mentions(hint, name, strlen(name));
	/* Without a name of its own, by those of its members. */
	if (!depth || !type_of(member, &type, &is_lock) || dwarf_child(&type, &child) != 0)
		return false;
	do
		if (dwarf_tag(&child) == DW_TAG_member && named_in(hint, &child, depth - 1))
			return true;
	while (dwarf_siblingof(&child, &child) == 0);
	return false;
}

/* Bit-fields and a union's members share their bytes: the one that the source names, else the first. */
static bool member_at(Dwarf_Die *type, uint64_t past, const char *hint, Dwarf_Die *member, uint64_t *start)
{
	Dwarf_Die child;
	bool found = false;
	if (dwarf_child(type, &child) != 0)
		return false;
	do {
		Dwarf_Attribute attr;
		uint64_t at, size;
		int tag = dwarf_tag(&child);
		if ((tag != DW_TAG_member && tag != DW_TAG_inheritance) || dwarf_attr(&child, DW_AT_external, &attr))
			continue;
		if (!symbols_extent(&child, &at, &size) || past < at || past - at >= size)
			continue;
		bool named = hint && named_in(hint, &child, 3);
		if (found && !named)
			continue;
		*member = child;
		*start = at;
		found = true;
		if (named || !hint)
			break;
	} while (dwarf_siblingof(&child, &child) == 0);
	return found;
}

/* "[5][0]" for element 20 of an array [16][4]. */
static const char *indices(struct symbols *s, Dwarf_Die *array, const char *name, uint64_t element)
{
	uint64_t bound[MAX_DEPTH];
	unsigned nr = 0;
	Dwarf_Die child;
	if (dwarf_child(array, &child) == 0)
		do {
			Dwarf_Attribute attr;
			Dwarf_Word n;
			if (dwarf_tag(&child) != DW_TAG_subrange_type || nr == MAX_DEPTH)
				continue;
			if (dwarf_formudata(dwarf_attr(&child, DW_AT_count, &attr), &n) == 0)
				bound[nr++] = n;
			else
				bound[nr++] =
				    dwarf_formudata(dwarf_attr(&child, DW_AT_upper_bound, &attr), &n) == 0 ? n + 1 : 0;
		} while (dwarf_siblingof(&child, &child) == 0);
	for (unsigned i = 0; i + 1 < nr; i++) {
		uint64_t rest = 1;
		for (unsigned k = i + 1; k < nr; k++)
			rest *= bound[k];
		if (!rest)
			break;
		name = mem_printf(&s->mem, "%s[%llu]", name, (unsigned long long)(element / rest));
		element %= rest;
	}
	return mem_printf(&s->mem, "%s[%llu]", name, (unsigned long long)element);
}

bool symbols_of_library(struct symbols *s, Dwarf_Die *type)
{
	Dwarf_Die unit;
	if (!dwarf_diename(type) || !dwarf_diecu(type, &unit, NULL, NULL))
		return false;
	const char *file = symbols_file_of(s, &unit, type, DW_AT_decl_file);
	return file && (strstr(file, "/include/c++/") || strstr(file, "/c++/v1/"));
}

bool symbols_type_of(Dwarf_Die *die, Dwarf_Die *type)
{
	bool is_lock;
	return type_of(die, type, &is_lock);
}

/* Appends ".member" and "[index]" to `name` down to the offset. */
static const char *descend(struct symbols *s, Dwarf_Die type, bool is_lock, const char *name, uint64_t past, const char *hint)
{
	Dwarf_Die member;
	for (unsigned depth = 0; depth < MAX_DEPTH; depth++) {
		Dwarf_Word size;
		uint64_t start;
		int tag = dwarf_tag(&type);
		if (tag == DW_TAG_array_type) {
			Dwarf_Die elem;
			if (!type_of(&type, &elem, &is_lock) || dwarf_aggregate_size(&elem, &size) != 0 || size == 0)
				break;
			name = indices(s, &type, name, past / size);
			past %= size;
			type = elem;
			continue;
		}
		if (tag != DW_TAG_structure_type && tag != DW_TAG_class_type && tag != DW_TAG_union_type)
			break;
		if (symbols_of_library(s, &type))
			return name;
		if ((past == 0 && is_lock) || !member_at(&type, past, hint, &member, &start))
			break;
		if (dwarf_tag(&member) == DW_TAG_member && dwarf_diename(&member))
			name = mem_printf(&s->mem, "%s.%s", name, dwarf_diename(&member));
		past -= start;
		if (!type_of(&member, &type, &is_lock))
			break;
		Dwarf_Attribute attr;
		if (dwarf_attr(&member, DW_AT_bit_size, &attr))
			return name;
	}
	return past ? mem_printf(&s->mem, "%s+0x%llx", name, (unsigned long long)past) : name;
}

const char *symbols_descend(struct symbols *s, Dwarf_Die *type, const char *name, uint64_t past, const char *hint, bool *atomic)
{
	met_atomic = is_atomic_type(type);
	name = descend(s, *type, is_lock_name(dwarf_diename(type)), name, past, hint);
	*atomic = met_atomic;
	return name;
}

static void collect(struct symbols_file *f, Dwarf_Die *die, const char *function, Dwarf_Addr bias)
{
	Dwarf_Addr at;
	Dwarf_Word size;
	Dwarf_Die type;
	bool is_lock, local;
	if (!fixed_address(die, &at, &local) || !type_of(die, &type, &is_lock))
		return;
	if (dwarf_aggregate_size(&type, &size) != 0 || size == 0)
		size = 1;
	if (local)
		*MEM_PUSH(f->locals, f->nr_locals, f->cap_locals) =
		    (struct symbols_variable){ at, size, *die, function };
	else
		*MEM_PUSH(f->variables, f->nr_variables, f->cap_variables) =
		    (struct symbols_variable){ at + bias, size, *die, function };
}

static void walk(struct symbols_file *f, Dwarf_Die *parent, const char *function, Dwarf_Addr bias, unsigned depth)
{
	Dwarf_Die die;
	if (depth > MAX_DEPTH || dwarf_child(parent, &die) != 0)
		return;
	do {
		switch (dwarf_tag(&die)) {
		case DW_TAG_variable:
			collect(f, &die, function, bias);
			break;
		case DW_TAG_subprogram:
			walk(f, &die, dwarf_diename(&die), bias, depth + 1);
			break;
		case DW_TAG_namespace:
		case DW_TAG_lexical_block:
		case DW_TAG_structure_type:
		case DW_TAG_class_type:
			walk(f, &die, function, bias, depth + 1);
			break;
		default:
			break;
		}
	} while (dwarf_siblingof(&die, &die) == 0);
}

static int by_address(const void *a, const void *b)
{
	const struct symbols_variable *x = a, *y = b;
	return x->address < y->address ? -1 : x->address > y->address;
}

/* All of the file's variables, once: a program of many locks asks for many. */
void symbols_list_variables(struct symbols_file *f)
{
	Dwarf_Die *unit = NULL;
	Dwarf_Addr bias;
	if (f->have_variables || f->state != SYMBOLS_READY)
		return;
	f->have_variables = true;
	while ((unit = dwfl_module_nextcu(f->module, unit, &bias))) {
		Dwarf_Die whole = symbols_whole_unit(unit);
		walk(f, &whole, NULL, bias, 0);
	}
	if (f->nr_variables)
		qsort(f->variables, f->nr_variables, sizeof *f->variables, by_address);
	if (f->nr_locals)
		qsort(f->locals, f->nr_locals, sizeof *f->locals, by_address);
}

static const struct symbols_variable *variable_at(const struct symbols_variable *v, size_t nr, uint64_t address)
{
	size_t low = 0, high = nr;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (v[mid].address <= address)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low || address - v[low - 1].address >= v[low - 1].size)
		return NULL;
	return &v[low - 1];
}

static const char *keep(struct symbols *s, const char *text)
{
	return text ? mem_copy(&s->mem, text, strlen(text)) : NULL;
}

bool symbols_dwarf_data(struct symbols *s, struct symbols_file *f, uint64_t address, bool local, const char *hint,
			struct symbols_datum *d)
{
	symbols_list_variables(f);
	const struct symbols_variable *v =
	    variable_at(local ? f->locals : f->variables, local ? f->nr_locals : f->nr_variables, address);
	if (!v)
		return false;
	Dwarf_Die die = v->die, *decl = &die, origin;
	Dwarf_Attribute attr, spec;
	const char *name = dwarf_formstring(dwarf_attr_integrate(&die, DW_AT_linkage_name, &attr));
	if (name)
		name = symbols_demangle(s, keep(s, name));
	else
		name = keep(s, dwarf_formstring(dwarf_attr_integrate(&die, DW_AT_name, &attr)));
	if (!name)
		return false;
	memset(d, 0, sizeof *d);
	met_atomic = false;
	Dwarf_Die type;
	bool is_lock;
	if (!type_of(&die, &type, &is_lock))
		return false;
	d->name = descend(s, type, is_lock, name, address - v->address, hint);
	d->atomic = met_atomic;
	d->function = keep(s, v->function);
	/* The definition of what was declared before (extern, static member) may not repeat the place. */
	if (dwarf_attr(&die, DW_AT_specification, &spec) && !dwarf_attr(&die, DW_AT_decl_line, &attr) &&
	    dwarf_formref_die(&spec, &origin))
		decl = &origin;
	int line = 0;
	Dwarf_Die unit;
	if (dwarf_diecu(&die, &unit, NULL, NULL))
		d->file = symbols_file_of(s, &unit, decl, DW_AT_decl_file);
	dwarf_decl_line(decl, &line);
	d->line = (unsigned)line;
	return d->name != NULL;
}
