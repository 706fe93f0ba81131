/* symbols_dwarf.c - Functions, inlined functions and lines, from debug information. */
#include "symbols_file.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

static int by_low(const void *a, const void *b)
{
	const struct symbols_unit *x = a, *y = b;
	return x->low < y->low ? -1 : x->low > y->low;
}

static void list_units(struct symbols_file *f)
{
	Dwarf_Die *unit = NULL;
	Dwarf_Addr bias;
	f->have_units = true;
	while ((unit = dwfl_module_nextcu(f->module, unit, &bias))) {
		Dwarf_Addr base, low, high;
		ptrdiff_t at = 0;
		while ((at = dwarf_ranges(unit, at, &base, &low, &high)) > 0)
			if (low < high)
				*MEM_PUSH(f->units, f->nr_units, f->cap_units) =
				    (struct symbols_unit){ low + bias, high + bias, *unit };
	}
	if (f->nr_units)
		qsort(f->units, f->nr_units, sizeof *f->units, by_low);
}

Dwarf_Die symbols_whole_unit(Dwarf_Die *unit)
{
	Dwarf_Die whole;
	if (!dwarf_cu_info(unit->cu, NULL, NULL, NULL, &whole, NULL, NULL, NULL) && dwarf_tag(&whole) == DW_TAG_compile_unit)
		return whole;
	return *unit;
}

static Dwarf_Die *unit_of(struct symbols_file *f, Dwarf_Addr address, Dwarf_Addr *bias)
{
	Dwarf_Die *unit = dwfl_module_addrdie(f->module, address, bias);
	if (unit || !dwfl_module_getdwarf(f->module, bias))
		return unit;
	if (!f->have_units)
		list_units(f);
	size_t low = 0, high = f->nr_units;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (f->units[mid].low <= address)
			low = mid + 1;
		else
			high = mid;
	}
	return low && address < f->units[low - 1].high ? &f->units[low - 1].die : NULL;
}

/* The DIE that says where in the source's scopes `die` belongs. */
static Dwarf_Die declaration(Dwarf_Die die)
{
	Dwarf_Attribute attr;
	Dwarf_Die next;
	for (unsigned i = 0; i < 8; i++) {
		if (!dwarf_attr(&die, DW_AT_abstract_origin, &attr) && !dwarf_attr(&die, DW_AT_specification, &attr))
			break;
		if (!dwarf_formref_die(&attr, &next))
			break;
		die = next;
	}
	return die;
}

static bool is_lambda(Dwarf_Die *type)
{
	int tag = dwarf_tag(type);
	Dwarf_Die child;
	if ((tag != DW_TAG_class_type && tag != DW_TAG_structure_type) || dwarf_diename(type) || dwarf_child(type, &child) != 0)
		return false;
	do {
		const char *name = dwarf_tag(&child) == DW_TAG_subprogram ? dwarf_diename(&child) : NULL;
		if (name && strcmp(name, "operator()") == 0)
			return true;
	} while (dwarf_siblingof(&child, &child) == 0);
	return false;
}

/* Which of the lambdas in `scope` it is, from 1 on; *nr counts those before. */
static bool number_lambda(Dwarf_Die *scope, Dwarf_Die *lambda, unsigned *nr, unsigned depth)
{
	Dwarf_Die child;
	if (depth == 0 || dwarf_child(scope, &child) != 0)
		return false;
	do {
		if (is_lambda(&child)) {
			++*nr;
			if (dwarf_dieoffset(&child) == dwarf_dieoffset(lambda))
				return true;
		} else if (dwarf_tag(&child) == DW_TAG_lexical_block && number_lambda(&child, lambda, nr, depth - 1)) {
			return true;
		}
	} while (dwarf_siblingof(&child, &child) == 0);
	return false;
}

/* "std::mutex::lock" for what has no linkage name: inlined constructors, functions of internal linkage. */
static const char *qualify(struct symbols *s, Dwarf_Die *die, const char *name)
{
	Dwarf_Die *scopes = NULL, root = declaration(*die);
	int nr = dwarf_getscopes_die(&root, &scopes);
	for (int i = 1; i < nr; i++) {
		int tag = dwarf_tag(&scopes[i]);
		const char *outer = dwarf_diename(&scopes[i]);
		if (tag == DW_TAG_subprogram && i == 1)
			break;
		if (tag != DW_TAG_namespace && tag != DW_TAG_class_type && tag != DW_TAG_structure_type &&
		    tag != DW_TAG_union_type && tag != DW_TAG_subprogram)
			continue;
		if (is_lambda(&scopes[i])) {
			int in = i + 1;
			unsigned number = 0;
			while (in < nr && dwarf_tag(&scopes[in]) == DW_TAG_lexical_block)
				in++;
			if (in < nr && number_lambda(&scopes[in], &scopes[i], &number, 8))
				name = mem_printf(&s->mem, "{lambda#%u}", number);
			else
				name = "{lambda}";
			continue;
		}
		name = mem_printf(&s->mem, "%s::%s", outer ? outer : "(anonymous)", name);
		/* What lies further out is in the function's own name, where that has one. */
		Dwarf_Attribute attr;
		if (tag == DW_TAG_subprogram && dwarf_attr_integrate(&scopes[i], DW_AT_linkage_name, &attr)) {
			const char *full = dwarf_formstring(&attr);
			const char *clean = full ? symbols_demangle(s, mem_copy(&s->mem, full, strlen(full))) : NULL;
			if (clean && clean != full)
				name = mem_printf(&s->mem, "%s%s", clean, name + strlen(outer ? outer : "(anonymous)"));
			break;
		}
	}
	free(scopes);
	return name;
}

const char *symbols_scoped(struct symbols *s, Dwarf_Die *die, const char *name)
{
	return qualify(s, die, name);
}

bool symbols_class_of(Dwarf_Die *function, Dwarf_Die *class)
{
	Dwarf_Die *scopes = NULL, root = declaration(*function);
	int nr = dwarf_getscopes_die(&root, &scopes);
	bool found = nr > 1 && (dwarf_tag(&scopes[1]) == DW_TAG_class_type || dwarf_tag(&scopes[1]) == DW_TAG_structure_type);
	if (found)
		*class = scopes[1];
	free(scopes);
	return found;
}

static void name_of(struct symbols *s, Dwarf_Die *die, struct symbols_place *p)
{
	Dwarf_Attribute attr;
	const char *linkage = NULL, *name = NULL;
	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attr) ||
	    dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attr))
		linkage = dwarf_formstring(&attr);
	if (linkage) {
		linkage = mem_copy(&s->mem, linkage, strlen(linkage));
		p->function = symbols_demangle(s, linkage);
		p->linkage = p->function != linkage ? linkage : NULL;
		return;
	}
	if (dwarf_attr_integrate(die, DW_AT_name, &attr))
		name = dwarf_formstring(&attr);
	if (name)
		p->function = qualify(s, die, mem_copy(&s->mem, name, strlen(name)));
}

/* Without "/./", "//" and "dir/../": compilers write one file's name in several ways. */
static void normalise(char *path)
{
	char *to = path;
	for (const char *p = path; *p;) {
		size_t n = strcspn(p + 1, "/") + 1; /* "/name" */
		if (n == 1 || (n == 2 && p[1] == '.')) {
			p += n;
		} else if (n == 3 && p[1] == '.' && p[2] == '.') {
			while (to > path && *--to != '/')
				;
			p += n;
		} else {
			memmove(to, p, n);
			to += n;
			p += n;
		}
	}
	*to = '\0';
}

const char *symbols_path(struct symbols *s, Dwarf_Die *unit, const char *file)
{
	if (!file)
		return NULL;
	Dwarf_Attribute attr;
	const char *dir = file[0] == '/' ? NULL : dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &attr));
	char *path = dir ? mem_printf(&s->mem, "%s/%s", dir, file) : mem_copy(&s->mem, file, strlen(file));
	if (path[0] == '/')
		normalise(path);
	return path;
}

/* libdw's dwarf_decl_file and its like expect a line table in the unit itself, which one in a .dwo file may not have. */
const char *symbols_file_of(struct symbols *s, Dwarf_Die *unit, Dwarf_Die *die, unsigned attribute)
{
	Dwarf_Attribute attr;
	Dwarf_Word number;
	Dwarf_Files *files;
	size_t nr;
	Dwarf_Die skeleton;
	if (dwarf_formudata(dwarf_attr_integrate(die, attribute, &attr), &number) != 0)
		return NULL;
	if (dwarf_getsrcfiles(unit, &files, &nr) != 0) {
		if (dwarf_cu_info(unit->cu, NULL, NULL, &skeleton, NULL, NULL, NULL, NULL) != 0 || dwarf_getsrcfiles(&skeleton, &files, &nr) != 0)
			return NULL;
	}
	return number < nr ? symbols_path(s, unit, dwarf_filesrc(files, number, NULL, NULL)) : NULL;
}

/* Where `die` was called from, when it is an inlined function. */
static bool call_site(struct symbols *s, Dwarf_Die *unit, Dwarf_Die *die, const char **file, unsigned *line)
{
	Dwarf_Attribute attr;
	Dwarf_Word number;
	*file = symbols_file_of(s, unit, die, DW_AT_call_file);
	*line = dwarf_formudata(dwarf_attr(die, DW_AT_call_line, &attr), &number) == 0 ? (unsigned)number : 0;
	return *file != NULL;
}

/* `die` and what it lies in, up to the unit. */
static int lexical_scopes(Dwarf_Die *unit, Dwarf_Addr address, Dwarf_Die **out)
{
	Dwarf_Die *scopes = NULL;
	int nr = dwarf_getscopes(unit, address, &scopes);
	if (nr <= 0)
		return 0;
	/* dwarf_getscopes goes on from an inlined function to where that was written; the callers are what is wanted.
	 */
	Dwarf_Die innermost = scopes[0];
	free(scopes);
	nr = dwarf_getscopes_die(&innermost, out);
	return nr > 0 ? nr : 0;
}

int symbols_scopes(struct symbols_file *f, uint64_t address, Dwarf_Die **scopes)
{
	Dwarf_Addr bias;
	Dwarf_Die *unit = f->state == SYMBOLS_READY ? unit_of(f, address, &bias) : NULL;
	if (!unit)
		return 0;
	Dwarf_Die whole = symbols_whole_unit(unit);
	return lexical_scopes(&whole, address - bias, scopes);
}

unsigned symbols_dwarf_code(struct symbols *s, struct symbols_file *f, uint64_t address, struct symbols_place *places)
{
	Dwarf_Addr bias;
	Dwarf_Die *unit = unit_of(f, address, &bias);
	if (!unit)
		return 0;
	const char *file = NULL;
	int at = 0;
	Dwarf_Line *row = dwarf_getsrc_die(unit, address - bias);
	if (row) {
		file = symbols_path(s, unit, dwarf_linesrc(row, NULL, NULL));
		dwarf_lineno(row, &at);
	}
	unsigned line = (unsigned)at, nr = 0;
	Dwarf_Die *scopes = NULL, whole = symbols_whole_unit(unit);
	int nr_scopes = lexical_scopes(&whole, address - bias, &scopes);
	for (int i = 0; i < nr_scopes && nr < SYMBOLS_MAX_INLINE; i++) {
		int tag = dwarf_tag(&scopes[i]);
		if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_subprogram)
			continue;
		struct symbols_place *p = &places[nr++];
		*p = (struct symbols_place){ .file = file, .line = line, .inlined = tag == DW_TAG_inlined_subroutine };
		name_of(s, &scopes[i], p);
		if (!p->inlined)
			break;
		call_site(s, &whole, &scopes[i], &file, &line);
	}
	free(scopes);
	if (nr == 0 && file)
		places[nr++] = (struct symbols_place){ .file = file, .line = line };
	return nr;
}
