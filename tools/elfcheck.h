/*
 * elfcheck.h - Can this program be watched at all? By its ELF header, through "#!" lines, before it is started.
 */
#ifndef SNARL_TOOLS_ELFCHECK_H
#define SNARL_TOOLS_ELFCHECK_H

#include <stddef.h>

enum elfcheck {
	ELFCHECK_FINE,
	ELFCHECK_UNWATCHABLE,
	ELFCHECK_NOT_FOUND,
	ELFCHECK_NOT_EXECUTABLE,
};

/*
 * Looks `name` up as a shell would and puts the file into `path` (PATH_MAX). Unless it is fine, `why` says in a
 * sentence or two what is wrong and what to do.
 */
enum elfcheck elfcheck_program(const char *name, char *path, char *why, size_t cap);

#endif
