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
	size_t nr_variables, cap_variables;
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

/* As the ones in symbols.h, from DWARF alone. */
unsigned symbols_dwarf_code(struct symbols *s, struct symbols_file *f, uint64_t address, struct symbols_place *places);
bool symbols_dwarf_data(struct symbols *s, struct symbols_file *f, uint64_t address, struct symbols_datum *datum);

#endif
