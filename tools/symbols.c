#include "symbols_file.h"

#include <ctype.h>
#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <libiberty/demangle.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void symbols_init(struct symbols *s)
{
	memset(s, 0, sizeof *s);
	/* A server asked for debug files could keep a report waiting for minutes. */
	unsetenv("DEBUGINFOD_URLS");
}

void symbols_free(struct symbols *s)
{
	struct symbols_file *f, *next;
	HASH_ITER (hh, s->files, f, next) {
		HASH_DEL(s->files, f);
		if (f->dwfl)
			dwfl_end(f->dwfl);
		free(f->units);
		free(f->variables);
		free(f->locals);
	}
	mem_free(&s->mem);
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_build_id_find_elf,
	.find_debuginfo = dwfl_standard_find_debuginfo,
	.section_address = dwfl_offline_section_address,
};

static bool same_build_id(Elf *elf, const char *want)
{
	const void *bits;
	ssize_t n = dwelf_elf_gnu_build_id(elf, &bits);
	if (n <= 0 || strlen(want) != (size_t)n * 2)
		return false;
	for (ssize_t i = 0; i < n; i++) {
		char hex[3];
		snprintf(hex, sizeof hex, "%02x", ((const unsigned char *)bits)[i]);
		if (tolower((unsigned char)want[2 * i]) != hex[0] || tolower((unsigned char)want[2 * i + 1]) != hex[1])
			return false;
	}
	return true;
}

/* At bias 0, so that every address is a link-time one. */
static enum symbols_state open_file(struct symbols_file *f, const char *path, const struct module *m)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return SYMBOLS_MISSING;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return SYMBOLS_STRANGE;
	}
	f->dwfl = dwfl_begin(&callbacks);
	if (!f->dwfl) {
		close(fd);
		return SYMBOLS_STRANGE;
	}
	dwfl_report_begin(f->dwfl);
	f->module = dwfl_report_elf(f->dwfl, path, path, fd, 0, true);
	if (!f->module)
		close(fd);
	dwfl_report_end(f->dwfl, NULL, NULL);
	GElf_Addr bias;
	Elf *elf = f->module ? dwfl_module_getelf(f->module, &bias) : NULL;
	enum symbols_state state = SYMBOLS_READY;
	uint64_t changed = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
	if (!elf)
		state = SYMBOLS_STRANGE;
	else if (m->build_id && *m->build_id)
		state = same_build_id(elf, m->build_id) ? SYMBOLS_READY : SYMBOLS_CHANGED;
	else if (m->started && changed > m->started)
		state = SYMBOLS_CHANGED;
	if (state != SYMBOLS_READY) {
		dwfl_end(f->dwfl);
		f->dwfl = NULL;
		f->module = NULL;
	}
	return state;
}

static void open_any(struct symbols *s, struct symbols_file *f, const struct module *m)
{
	f->state = m->path && *m->path ? open_file(f, m->path, m) : SYMBOLS_MISSING;
	if (f->state == SYMBOLS_READY || !m->build_id || strlen(m->build_id) < 3)
		return;
	for (const char *p = m->build_id; *p; p++)
		if (!isxdigit((unsigned char)*p))
			return;
	/* Moved, replaced or from another machine: the right one may be known by its id. */
	static const char *const suffix[] = { "", ".debug" };
	for (unsigned i = 0; i < 2; i++) {
		char *path =
		    mem_printf(&s->mem, "/usr/lib/debug/.build-id/%.2s/%s%s", m->build_id, m->build_id + 2, suffix[i]);
		struct module other = *m;
		if (open_file(f, path, &other) == SYMBOLS_READY) {
			f->state = SYMBOLS_READY;
			return;
		}
	}
}

struct symbols_file *symbols_file(struct symbols *s, struct module *m)
{
	if (m->file)
		return m->file;
	char *key = mem_printf(&s->mem, "%s\n%s", m->path ? m->path : "", m->build_id ? m->build_id : "");
	struct symbols_file *f;
	HASH_FIND_STR(s->files, key, f);
	if (!f) {
		f = mem_take(&s->mem, sizeof *f);
		f->key = key;
		f->path = m->path;
		open_any(s, f, m);
		HASH_ADD_KEYPTR(hh, s->files, f->key, strlen(f->key), f);
	}
	m->file = f;
	return f;
}

enum symbols_state symbols_state(const struct symbols_file *f)
{
	return f->state;
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

/* "main::{lambda(int)#1}::operator()" and clang's "main::$_0::operator()" become "main::{lambda#1}". */
static void plain_lambdas(char *name)
{
	char *to = name;
	for (const char *p = name; *p;) {
		static const char call[] = "::operator()";
		const char *end = p;
		unsigned number = 0;
		int length = 0;
		if (strncmp(p, "{lambda(", 8) == 0) {
			end += 8;
			for (int deep = 1; *end && deep; end++)
				deep += *end == '(' ? 1 : *end == ')' ? -1 : 0;
			if (sscanf(end, "#%u}%n", &number, &length) != 1)
				length = 0;
		} else if (strncmp(p, "$_", 2) == 0) {
			if (sscanf(p, "$_%u%n", &number, &length) != 1 || strncmp(p + length, call, sizeof call - 1) != 0)
				length = 0;
			number++;
		}
		if (length == 0) {
			*to++ = *p++;
			continue;
		}
		/* "f()::{lambda()#1}" beside "f::{lambda()#1}". */
		if (to - name > 4 && strncmp(to - 4, "()::", 4) == 0 && (to - name < 12 || strncmp(to - 12, "operator()::", 12) != 0))
			to = (char *)memcpy(to - 4, "::", 2) + 2;
		p = end + length;
		if (strncmp(p, call, sizeof call - 1) == 0)
			p += sizeof call - 1;
		/* What was there is at least as long. */
		char text[32];
		int n = snprintf(text, sizeof text, "{lambda#%u}", number);
		memcpy(to, text, (size_t)n);
		to += n;
	}
	*to = '\0';
}

const char *symbols_demangle(struct symbols *s, const char *name)
{
	char *clean = NULL;
	if (strncmp(name, "_R", 2) == 0)
		clean = rust_demangle(name, DMGL_NO_OPTS);
	/* Rust's older scheme looks like C++ with a hash for its last part; libiberty knows. */
	if (!clean && strncmp(name, "_ZN", 3) == 0)
		clean = rust_demangle(name, DMGL_NO_OPTS);
	if (!clean && name[0] == '_')
		clean = cplus_demangle(name, DMGL_AUTO | DMGL_RET_DROP);
	if (!clean)
		return name;
	char *kept = mem_copy(&s->mem, clean, strlen(clean));
	free(clean);
	plain_lambdas(kept);
	return kept;
}

/* From the symbol table, for files without debug info. */
static unsigned symbol_code(struct symbols *s, struct symbols_file *f, uint64_t address, struct symbols_place *p)
{
	GElf_Off past;
	GElf_Sym sym;
	const char *name = dwfl_module_addrinfo(f->module, address, &past, &sym, NULL, NULL, NULL);
	if (!name || !*name)
		return 0;
	memset(p, 0, sizeof *p);
	const char *kept = mem_copy(&s->mem, name, strcspn(name, "@"));
	p->function = symbols_demangle(s, kept);
	p->linkage = p->function != kept ? kept : NULL;
	p->past = past;
	return 1;
}

unsigned symbols_code(struct symbols *s, struct symbols_file *f, uint64_t address, struct symbols_place *places)
{
	if (f->state != SYMBOLS_READY)
		return 0;
	unsigned nr = symbols_dwarf_code(s, f, address, places);
	if (nr == 0)
		return symbol_code(s, f, address, places);
	/* Assembly has lines, and no functions. */
	struct symbols_place symbol;
	if (!places[nr - 1].function && symbol_code(s, f, address, &symbol)) {
		places[nr - 1].function = symbol.function;
		places[nr - 1].linkage = symbol.linkage;
	}
	return nr;
}

static bool symbol_data(struct symbols *s, struct symbols_file *f, uint64_t address, bool local,
			struct symbols_datum *d)
{
	int nr = dwfl_module_getsymtab(f->module);
	const char *best = NULL;
	uint64_t past = 0;
	for (int i = 1; i < nr; i++) {
		GElf_Sym sym;
		GElf_Addr value;
		const char *name = dwfl_module_getsym_info(f->module, i, &sym, &value, NULL, NULL, NULL);
		int type = GELF_ST_TYPE(sym.st_info);
		if (local) /* counted from the block's beginning, wherever the file is loaded */
			value = sym.st_value;
		if (!name || !*name || (local ? type != STT_TLS : type != STT_OBJECT && type != STT_NOTYPE) ||
		    sym.st_shndx == SHN_UNDEF || address < value || address - value >= sym.st_size)
			continue;
		if (best && address - value >= past)
			continue;
		best = name;
		past = address - value;
	}
	if (!best)
		return false;
	const char *name = symbols_demangle(s, mem_copy(&s->mem, best, strcspn(best, "@")));
	memset(d, 0, sizeof *d);
	d->name = past ? mem_printf(&s->mem, "%s+0x%llx", name, (unsigned long long)past) : name;
	return true;
}

bool symbols_data(struct symbols *s, struct symbols_file *f, uint64_t address, bool local, const char *hint,
		  struct symbols_datum *datum)
{
	if (f->state != SYMBOLS_READY)
		return false;
	return symbols_dwarf_data(s, f, address, local, hint, datum) || symbol_data(s, f, address, local, datum);
}
