/* symbols_atomics.c - Which bytes of a program's static data debug information calls atomic. */
#include "symbols_atomics.h"

#include <dwarf.h>
#include <elfutils/libdwelf.h>
#include <stdio.h>
#include <string.h>

#include "symbols_file.h"
#include "wire/atomics.h"

#define MAX_DEPTH    12
#define MAX_ELEMENTS 256u          /* of an array, looked at one by one */
#define MAX_INFO     (64ul << 20) /* reading more would be felt at each start */

struct gather {
	char *text;
	size_t room, first, used;
	uint64_t start, end; /* the last range, not yet in the text */
	uint64_t total;
	bool full;
};

static void flush(struct gather *g)
{
	if (g->end <= g->start || g->total + (g->end - g->start) > ATOMICS_TOTAL)
		return;
	int n = snprintf(g->text + g->used, g->room - g->used, "%s%llx+%llx", g->used > g->first ? "," : "", (unsigned long long)g->start,
			 (unsigned long long)(g->end - g->start));
	if (n < 0 || (size_t)n >= g->room - g->used) {
		g->text[g->used] = 0;
		g->full = true;
		return;
	}
	g->used += (size_t)n;
	g->total += g->end - g->start;
}

static void add(struct gather *g, uint64_t at, uint64_t bytes)
{
	if (at == g->end && at + bytes - g->start <= ATOMICS_RANGE) {
		g->end += bytes;
		return;
	}
	flush(g);
	g->start = at;
	g->end = at + bytes;
}

static bool starts(const char *name, const char *with) { return name && strncmp(name, with, strlen(with)) == 0; }

/* C's _Atomic; C++'s own classes. Not whatever has the word in its name, as a queue may. */
static bool is_atomic(Dwarf_Die *type)
{
	const char *name = dwarf_diename(type);
	int tag = dwarf_tag(type);
	return tag == DW_TAG_atomic_type || ((tag == DW_TAG_structure_type || tag == DW_TAG_class_type) &&
					     (starts(name, "atomic<") || starts(name, "__atomic_base<") ||
					      (name && strcmp(name, "atomic_flag") == 0)));
}

/* Its type without typedefs and qualifiers. */
static bool strip(Dwarf_Die *die, Dwarf_Die *type, bool *atomic)
{
	Dwarf_Attribute attr;
	Dwarf_Die next;
	*atomic = false;
	if (!dwarf_attr_integrate(die, DW_AT_type, &attr) || !dwarf_formref_die(&attr, type))
		return false;
	for (unsigned i = 0; i < 64; i++) {
		int tag = dwarf_tag(type);
		*atomic |= is_atomic(type);
		if (tag != DW_TAG_typedef && tag != DW_TAG_const_type && tag != DW_TAG_volatile_type && tag != DW_TAG_atomic_type)
			return true;
		if (!dwarf_attr_integrate(type, DW_AT_type, &attr) || !dwarf_formref_die(&attr, &next))
			return false;
		*type = next;
	}
	return false;
}

static void look_into(struct gather *g, Dwarf_Die *die, uint64_t at, unsigned depth)
{
	Dwarf_Die type, child;
	Dwarf_Word size, each;
	bool atomic;
	if (depth > MAX_DEPTH || g->full || !strip(die, &type, &atomic) || dwarf_aggregate_size(&type, &size) != 0)
		return;
	int tag = dwarf_tag(&type);
	if (atomic && tag != DW_TAG_array_type) {
		if (size && size <= 8 && !(size & (size - 1))) /* larger ones are not done by plain instructions */
			add(g, at, size);
	} else if (tag == DW_TAG_array_type) {
		if (!strip(&type, &child, &atomic) || dwarf_aggregate_size(&child, &each) != 0 || !each || (atomic && size > ATOMICS_RANGE))
			return;
		for (uint64_t i = 0; i < size / each && (atomic || i < MAX_ELEMENTS); i++) {
			size_t before = g->used;
			uint64_t end = g->end;
			look_into(g, &type, at + i * each, depth + 1);
			if (before == g->used && end == g->end) /* no atomics in there */
				return;
		}
	} else if ((tag == DW_TAG_structure_type || tag == DW_TAG_class_type) && dwarf_child(&type, &child) == 0) {
		do {
			uint64_t past, bytes;
			Dwarf_Attribute attr;
			int is = dwarf_tag(&child);
			if ((is == DW_TAG_member || is == DW_TAG_inheritance) && !dwarf_attr(&child, DW_AT_external, &attr) &&
			    !dwarf_attr(&child, DW_AT_bit_size, &attr) && symbols_extent(&child, &past, &bytes))
				look_into(g, &child, at + past, depth + 1);
		} while (dwarf_siblingof(&child, &child) == 0);
	}
}

static size_t info_bytes(struct symbols_file *f)
{
	Dwarf_Addr bias;
	Dwarf *dwarf = dwfl_module_getdwarf(f->module, &bias);
	Elf *elf = dwarf ? dwarf_getelf(dwarf) : NULL;
	size_t names;
	if (!elf || elf_getshdrstrndx(elf, &names) != 0)
		return 0;
	for (Elf_Scn *s = NULL; (s = elf_nextscn(elf, s));) {
		GElf_Shdr sh;
		const char *name = gelf_getshdr(s, &sh) ? elf_strptr(elf, names, sh.sh_name) : NULL;
		if (name && strcmp(name, ".debug_info") == 0)
			return sh.sh_size;
	}
	return 0;
}

/* "370b54b5:" into the text. */
static bool name_it(struct gather *g, struct symbols_file *f)
{
	GElf_Addr bias;
	const void *bits;
	Elf *elf = dwfl_module_getelf(f->module, &bias);
	ssize_t n = elf ? dwelf_elf_gnu_build_id(elf, &bits) : 0;
	if (n <= 0 || (size_t)n * 2 + 2 > g->room)
		return false;
	for (ssize_t i = 0; i < n; i++)
		sprintf(g->text + 2 * i, "%02x", ((const unsigned char *)bits)[i]);
	strcpy(g->text + 2 * n, ":");
	g->used = g->first = (size_t)n * 2 + 1;
	return true;
}

bool symbols_atomics(const char *path, char *text, size_t room)
{
	struct symbols s;
	struct module m = { .path = (char *)path };
	struct gather g = { .text = text, .room = room };
	symbols_init(&s);
	struct symbols_file *f = symbols_file(&s, &m);
	size_t bytes = symbols_state(f) == SYMBOLS_READY ? info_bytes(f) : 0;
	if (bytes && bytes <= MAX_INFO && name_it(&g, f)) {
		symbols_list_variables(f);
		for (size_t i = 0; i < f->nr_variables && !g.full; i++)
			look_into(&g, &f->variables[i].die, f->variables[i].address, 0);
		if (!g.full)
			flush(&g);
	}
	symbols_free(&s);
	return g.used > g.first;
}
