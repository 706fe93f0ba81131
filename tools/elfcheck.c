#include "elfcheck.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define MAX_SCRIPTS 5 /* as the kernel */
#define SCRIPT_LINE 256

struct check {
	char *why;
	size_t cap;
};

#define REFUSE(c, ...) (snprintf((c)->why, (c)->cap, __VA_ARGS__), ELFCHECK_UNWATCHABLE)

/* ---- PATH -------------------------------------------------------------------------------------------------------- */

static bool runnable(const char *path, int *err)
{
	struct stat st;
	if (stat(path, &st) != 0)
		*err = *err == EACCES ? EACCES : errno;
	else if (!S_ISREG(st.st_mode) || access(path, X_OK) != 0)
		*err = EACCES;
	else
		return true;
	return false;
}

static enum elfcheck look_up(const char *name, char *path, struct check *c)
{
	int err = ENOENT;
	const char *list = getenv("PATH");
	if (strchr(name, '/') || !*name) {
		snprintf(path, PATH_MAX, "%s", name);
		if (runnable(path, &err))
			return ELFCHECK_FINE;
	} else {
		for (const char *p = list ? list : "/bin:/usr/bin"; p; p = *p ? p + 1 : NULL) {
			size_t n = strcspn(p, ":");
			int k = snprintf(path, PATH_MAX, "%.*s%s%s", (int)n, p, n ? "/" : "", name);
			if (k < PATH_MAX && runnable(path, &err))
				return ELFCHECK_FINE;
			p += n;
		}
	}
	snprintf(c->why, c->cap, "%s: %s", name,
		 err == ENOENT   ? "no such program"
		 : err == EACCES ? "not executable"
				 : strerror(err));
	return err == EACCES ? ELFCHECK_NOT_EXECUTABLE : ELFCHECK_NOT_FOUND;
}

/* ---- one file ---------------------------------------------------------------------------------------------------- */

/* The dynamic linker then ignores a LD_PRELOAD with a slash in it. */
static enum elfcheck privileged(const char *path, int fd, struct check *c)
{
	struct stat st;
	struct statvfs fs;
	if (fstat(fd, &st) != 0 || (fstatvfs(fd, &fs) == 0 && fs.f_flag & ST_NOSUID))
		return ELFCHECK_FINE;
	bool uid = st.st_mode & S_ISUID && st.st_uid != getuid();
	bool gid = (st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && st.st_gid != getgid();
	if (uid || gid)
		return REFUSE(
		    c,
		    "%s cannot be watched: it is set%s, and the system ignores LD_PRELOAD for such programs. "
		    "Run a copy without the bit (cp %s /tmp/, then snarl run /tmp/...), as the user it would become",
		    path, uid ? "uid" : "gid", path);
	if (getuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0)
		return REFUSE(c,
			      "%s cannot be watched: it has file capabilities, and the system ignores LD_PRELOAD for "
			      "such programs. "
			      "Run a copy (which has none), or as root",
			      path);
	return ELFCHECK_FINE;
}

static const char *machine_name(unsigned machine)
{
	static const struct {
		unsigned machine;
		const char *name;
	} names[] = { { EM_386, "x86 (32 bit)" }, { EM_AARCH64, "ARM64" }, { EM_ARM, "ARM" },  { EM_RISCV, "RISC-V" },
		      { EM_PPC64, "PowerPC" },    { EM_S390, "s390" },     { EM_MIPS, "MIPS" } };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (names[i].machine == machine)
			return names[i].name;
	return "another architecture";
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static enum elfcheck program_headers(const char *path, int fd, const Elf64_Ehdr *h, struct check *c)
{
	char interp[PATH_MAX] = "";
	bool dynamic = false;
	for (unsigned i = 0; i < h->e_phnum && i < 512; i++) {
		Elf64_Phdr p;
		if (pread(fd, &p, sizeof p, (off_t)(h->e_phoff + i * sizeof p)) != sizeof p)
			break;
		dynamic |= p.p_type == PT_DYNAMIC;
		if (p.p_type == PT_INTERP && p.p_filesz > 0 && p.p_filesz < sizeof interp) {
			ssize_t n = pread(fd, interp, p.p_filesz, (off_t)p.p_offset);
			interp[n > 0 ? n : 0] = '\0';
		}
	}
	/* The dynamic linker itself, as a program, loads what it is given, LD_PRELOAD too. */
	bool is_linker =
	    !*interp && dynamic && (strncmp(base_of(path), "ld-", 3) == 0 || strncmp(base_of(path), "ld.so", 5) == 0);
	if (!*interp && !is_linker)
		return REFUSE(
		    c,
		    "%s cannot be watched: it is statically linked, and has no dynamic linker that would load snarl. "
		    "Link it dynamically (without -static)",
		    path);
	if (strstr(interp, "ld-musl"))
		return REFUSE(c,
			      "%s cannot be watched: it uses the musl C library, and snarl is made for glibc. "
			      "Build it for glibc",
			      path);
	return ELFCHECK_FINE;
}

static enum elfcheck elf(const char *path, int fd, const char *head, struct check *c)
{
	Elf64_Ehdr h;
	memcpy(&h, head, sizeof h);
	if (h.e_ident[EI_CLASS] == ELFCLASS32 && h.e_machine == EM_386)
		return REFUSE(
		    c, "%s cannot be watched: it is a 32-bit program, and snarl is 64-bit. Build it with -m64", path);
	if (h.e_machine != EM_X86_64 || h.e_ident[EI_CLASS] != ELFCLASS64)
		return REFUSE(
		    c, "%s cannot be watched: it is made for %s, and snarl for x86-64. Build it for x86-64", path,
		    h.e_ident[EI_CLASS] == ELFCLASS32 && h.e_machine == EM_X86_64 ? "x32" : machine_name(h.e_machine));
	return program_headers(path, fd, &h, c);
}

/* "#!interpreter argument": the interpreter is what runs; after env it is the argument. */
static bool script(const char *head, size_t len, char *next, char *argument)
{
	char line[SCRIPT_LINE];
	size_t n = len < sizeof line - 1 ? len : sizeof line - 1;
	memcpy(line, head, n);
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	char *save, *interp = strtok_r(line + 2, " \t", &save), *arg = interp ? strtok_r(NULL, " \t", &save) : NULL;
	while (arg && strcmp(base_of(interp), "env") == 0 && (arg[0] == '-' || strchr(arg, '=')))
		arg = strtok_r(NULL, " \t", &save);
	snprintf(next, PATH_MAX, "%s", interp ? interp : "");
	snprintf(argument, PATH_MAX, "%s", arg ? arg : "");
	return interp != NULL;
}

static enum elfcheck file(const char *path, unsigned depth, struct check *c)
{
	char head[sizeof(Elf64_Ehdr) > SCRIPT_LINE ? sizeof(Elf64_Ehdr) : SCRIPT_LINE] = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return ELFCHECK_FINE; /* executable but not readable: it will show */
	ssize_t n = pread(fd, head, sizeof head, 0);
	enum elfcheck result = ELFCHECK_FINE;
	char next[PATH_MAX], argument[PATH_MAX], found[PATH_MAX];
	if (n >= (ssize_t)sizeof(Elf64_Ehdr) && memcmp(head, ELFMAG, SELFMAG) == 0) {
		result = privileged(path, fd, c);
		if (result == ELFCHECK_FINE)
			result = elf(path, fd, head, c);
	} else if (n > 2 && head[0] == '#' && head[1] == '!' && depth < MAX_SCRIPTS &&
		   script(head, (size_t)n, next, argument)) {
		result = look_up(next, found, c);
		if (result != ELFCHECK_FINE)
			snprintf(c->why, c->cap, "%s: its interpreter %.200s is missing or not executable", path, next);
		else
			result = file(found, depth + 1, c);
		/* env's own failure to find the program is its own to tell. */
		if (result == ELFCHECK_FINE && strcmp(base_of(next), "env") == 0 && *argument &&
		    look_up(argument, found, c) == ELFCHECK_FINE)
			result = file(found, depth + 1, c);
	}
	close(fd);
	return result;
}

enum elfcheck elfcheck_program(const char *name, char *path, char *why, size_t cap)
{
	struct check c = { why, cap };
	enum elfcheck result = look_up(name, path, &c);
	return result == ELFCHECK_FINE ? file(path, 0, &c) : result;
}
