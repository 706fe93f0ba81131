/* symbols_file.h - What symbols.c and its DWARF half share: one open file. */
#ifndef SNARL_TOOLS_SYMBOLS_FILE_H
#define SNARL_TOOLS_SYMBOLS_FILE_H

#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>

#include "symbols.h"

struct symbols_unit {
	Dwarf_Addr low, high;
	Dwarf_Die die;
};

struct symbols_variable {
	Dwarf_Addr address;
	Dwarf_Word size;
	Dwarf_Die die;
	const char *function;
};

struct symbols_file {
	const char *key; /* path and build id */
	const char *path;
	enum symbols_state state;
	Dwfl *dwfl;
	Dwfl_Module *module;
	/* Units by address, made when .debug_aranges does not say (clang writes none). */
	struct symbols_unit *units;
	size_t nr_units, cap_units;
	struct symbols_variable *variables; /* of fixed address, by address */
	struct symbols_variable *locals;    /* thread-local ones, by place in their block */
	size_t nr_variables, cap_variables, nr_locals, cap_locals;
	bool have_units, have_variables;
	UT_hash_handle hh;
};

/* Demangled (C++, Rust, D) without parameters, or the name itself. */
const char *symbols_demangle(struct symbols *s, const char *name);

/* A file's name as `unit` has it, made absolute where that can be known. */
const char *symbols_path(struct symbols *s, Dwarf_Die *unit, const char *file);

/* `unit`, or, where it is but a skeleton (-gsplit-dwarf), the unit in the .dwo file it stands for, if that is at hand. */
Dwarf_Die symbols_whole_unit(Dwarf_Die *unit);

/* The file that an attribute of `die` (DW_AT_decl_file, DW_AT_call_file) names, or NULL. */
const char *symbols_file_of(struct symbols *s, Dwarf_Die *unit, Dwarf_Die *die, unsigned attribute);

/* Where a member lies in bytes; of a bit-field, the bytes its bits are in. */
bool symbols_extent(Dwarf_Die *member, uint64_t *start, uint64_t *bytes);
/* The type a DIE has, without typedefs and qualifiers. */
bool symbols_type_of(Dwarf_Die *die, Dwarf_Die *type);
/* Appends to `name`, of that type, what lies `past` bytes into it. *atomic: a type on the way is. `hint`: see symbols.h. */
const char *symbols_descend(struct symbols *s, Dwarf_Die *type, const char *name, uint64_t past, const char *hint, bool *atomic);
/* A type of the C++ library: its members mean nothing to those who use it. */
bool symbols_of_library(struct symbols *s, Dwarf_Die *type);
/* The scopes of code, innermost first, through inlined functions up to the unit; to be freed. 0: none known. */
int symbols_scopes(struct symbols_file *f, uint64_t address, Dwarf_Die **scopes);
/* The class that a member function belongs to. */
bool symbols_class_of(Dwarf_Die *function, Dwarf_Die *class);
/* "shop::Config" for Config. */
const char *symbols_scoped(struct symbols *s, Dwarf_Die *die, const char *name);
/* Fills in f->variables and f->locals. */
void symbols_list_variables(struct symbols_file *f);

/* As the ones in symbols.h, from DWARF alone. */
unsigned symbols_dwarf_code(struct symbols *s, struct symbols_file *f, uint64_t address, struct symbols_place *places);
bool symbols_dwarf_data(struct symbols *s, struct symbols_file *f, uint64_t address, bool local, const char *hint,
			struct symbols_datum *datum);

#endif
