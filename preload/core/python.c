#include "core/python.h"

#include "base/arena.h"
#include "base/sys.h"
#include "core/module.h"
#include "core/stack.h"

#include <elf.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/uio.h>

enum { OWNED_BY_GENERATOR = 1, OWNED_BY_C = 3 }; /* _framestate of 3.11 and 3.12 */
#define NO_FIELD UINT16_MAX

/* Offsets in bytes. Where a field does not exist in a version, NO_FIELD. */
struct layout {
	unsigned version;
	uint16_t state_frame;   /* PyThreadState: frame, or cframe */
	uint16_t cframe_frame;  /* _PyCFrame.current_frame */
	uint16_t back, code, at; /* at: f_lasti, or prev_instr */
	uint8_t at_scale;       /* f_lasti counts bytes or instructions */
	uint16_t owner, entry;
	uint16_t file, name, first_line, line_table;
	uint16_t first_instr, first_traceable;
	uint16_t ascii, compact; /* sizeof PyASCIIObject, PyCompactUnicodeObject */
};
/* source: the headers of CPython 3.9.18, 3.10.13, 3.11.2, 3.11.7, 3.12.1 for x86-64, by offsetof. */
static const struct layout layouts[] = {
	{ 0x0309, 24, NO_FIELD, 24, 32, 104, 1, NO_FIELD, NO_FIELD, 104, 112, 40, 120, NO_FIELD, NO_FIELD, 48, 72 },
	{ 0x030a, 24, NO_FIELD, 24, 32, 96, 2, NO_FIELD, NO_FIELD, 104, 112, 40, 120, NO_FIELD, NO_FIELD, 48, 72 },
	{ 0x030b, 56, 8, 48, 32, 56, 0, 69, 68, 112, 128, 72, 136, 184, 168, 48, 72 },
	{ 0x030c, 56, 0, 8, 0, 56, 0, 70, NO_FIELD, 112, 128, 68, 136, 192, 176, 40, 56 },
};
#define STR_LENGTH 16
#define STR_STATE 32 /* interned:2 kind:3 compact:1 ascii:1 */

static struct python_api api;
static const struct layout *layout;
static uint32_t module;
_Atomic bool python_on;

bool python_known(const struct python_api *a)
{
	for (unsigned i = 0; i < ARRAY_SIZE(layouts); i++)
		if (layouts[i].version == a->version) {
			const struct module *m = module_find(a->eval);
			api = *a;
			layout = &layouts[i];
			module = m ? m->id : 0;
			return m != NULL;
		}
	return false;
}

bool python_library(void)
{
	for (uint32_t id = module_count(); id; id--) {
		const char *path = module_by_id(id)->path, *slash = path ? strrchr(path, '/') : NULL;
		if (slash && strncmp(slash + 1, "libpython", 9) == 0)
			return true;
	}
	return false;
}

void python_switch_on(void) { atomic_store(&python_on, true); }
uint32_t python_module(void) { return atomic_load(&python_on) ? module : 0; }
bool python_internal(uintptr_t addr) { return api.runtime && addr - api.runtime < api.runtime_bytes; }

bool python_owns_data(uintptr_t addr, size_t bytes)
{
	const struct module *m = module_by_id(module);
	unsigned nr = 0;
	const Elf64_Phdr *ph = m ? module_phdr(m, &nr) : NULL;
	bool in = false;
	for (unsigned i = 0; i < nr; i++) {
		uintptr_t lo = m->bias + ph[i].p_vaddr, hi = lo + ph[i].p_memsz;
		if (addr + bytes <= lo || addr >= hi)
			continue;
		if (ph[i].p_type == PT_GNU_RELRO)
			return false;
		in |= ph[i].p_type == PT_LOAD && ph[i].p_flags & PF_W && addr >= lo && addr + bytes <= hi;
	}
	return in;
}

void *python_running(void)
{
	void *state = api.running_state();
	return state && state == api.own_state() ? state : NULL;
}

static bool peek(uintptr_t at, void *to, size_t bytes, bool careful)
{
	if (!careful) {
		memcpy(to, (const void *)at, bytes);
		return true;
	}
	struct iovec there = { (void *)at, bytes }, here = { to, bytes };
	return sys6(SYS_process_vm_readv, sys_gettid(), (long)&here, 1, (long)&there, 1, 0) == (long)bytes;
}

static uintptr_t word(uintptr_t at, bool careful)
{
	uintptr_t v = 0;
	peek(at, &v, sizeof v, careful);
	return v;
}

static uintptr_t innermost(void *state, bool careful)
{
	uintptr_t at = word((uintptr_t)state + layout->state_frame, careful);
	return layout->cframe_frame == NO_FIELD || !at ? at : word(at + layout->cframe_frame, careful);
}

static bool read_frame(uintptr_t f, struct python_frame *to, bool *skip, bool careful)
{
	int at = 0;
	uint8_t owner = 0, entry = 1;
	*skip = false;
	if (layout->owner != NO_FIELD)
		peek(f + layout->owner, &owner, 1, careful);
	if (owner == OWNED_BY_C) {
		*skip = true;
		return true;
	}
	to->code = word(f + layout->code, careful);
	if (!to->code)
		return false;
	if (layout->first_instr == NO_FIELD) {
		peek(f + layout->at, &at, sizeof at, careful);
		to->at = at < 0 ? at : at * layout->at_scale;
	} else {
		int traceable = 0;
		peek(to->code + layout->first_traceable, &traceable, sizeof traceable, careful);
		intptr_t bytes = (intptr_t)(word(f + layout->at, careful) - (to->code + layout->first_instr));
		*skip = owner != OWNED_BY_GENERATOR && bytes < 2 * (intptr_t)traceable;
		to->at = (int)bytes;
	}
	if (layout->entry != NO_FIELD)
		peek(f + layout->entry, &entry, 1, careful);
	else if (layout->first_instr != NO_FIELD)
		entry = 0; /* told by the frame below it */
	to->entry = entry;
	return true;
}

unsigned python_walk(void *state, struct python_frame *out, unsigned max, bool careful)
{
	unsigned n = 0;
	for (uintptr_t f = innermost(state, careful); f && n < max; f = word(f + layout->back, careful)) {
		bool skip;
		if (!read_frame(f, &out[n], &skip, careful))
			break;
		if (!skip)
			n++;
		else if (n && layout->entry == NO_FIELD)
			out[n - 1].entry = true;
	}
	return n;
}

bool python_names(uintptr_t code, uintptr_t *file, uintptr_t *name, int *first_line)
{
	return peek(code + layout->file, file, sizeof *file, true) && peek(code + layout->name, name, sizeof *name, true) &&
	       peek(code + layout->first_line, first_line, sizeof *first_line, true);
}

static unsigned put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 63));
		out[2] = (char)(0x80 | (c & 63));
		return 3;
	}
	out[0] = (char)(0xf0 | (c >> 18 & 7));
	out[1] = (char)(0x80 | (c >> 12 & 63));
	out[2] = (char)(0x80 | (c >> 6 & 63));
	out[3] = (char)(0x80 | (c & 63));
	return 4;
}

bool python_text(uintptr_t str, char *out, size_t cap, bool careful)
{
	uint32_t state = 0;
	size_t length = 0, n = 0;
	out[0] = 0;
	if (!str || !peek(str + STR_STATE, &state, sizeof state, careful) || !peek(str + STR_LENGTH, &length, sizeof length, careful))
		return false;
	unsigned kind = state >> 2 & 7;
	if (!(state & 32) || (kind != 1 && kind != 2 && kind != 4)) /* not compact: none that names code */
		return false;
	uintptr_t data = str + (state & 64 ? layout->ascii : layout->compact);
	/* The end of a path says more than its beginning. */
	size_t first = length > cap - 1 ? length - (cap - 1) : 0;
	for (size_t i = first; i < length && n + 4 < cap; i++) {
		uint32_t c = 0;
		if (!peek(data + i * kind, &c, kind, careful))
			return false;
		n += put_utf8(out + n, c >= 0xd800 && c < 0xe000 ? '?' : c);
	}
	out[n] = 0;
	return true;
}

void python_call_here(struct stack_cache *c, struct python_call *call)
{
	void *state = python_running();
	call->stack = 0;
	call->frame = 0;
	if (!state)
		return;
	call->stack = python_stack(c);
	call->frame = innermost(state, false);
}

uintptr_t python_innermost(void *state) { return innermost(state, false); }

void python_identity(uintptr_t code, uintptr_t part[4])
{
	int line;
	memcpy(&line, (const void *)(code + layout->first_line), sizeof line);
	part[0] = word(code + layout->file, false);
	part[1] = word(code + layout->name, false);
	part[2] = word(code + layout->line_table, false);
	part[3] = (uintptr_t)line;
}

void python_resolve(const struct python_frame *f, char *file, char *function, size_t cap, uint32_t *line)
{
	int l = api.line((void *)f->code, f->at);
	*line = l > 0 ? (uint32_t)l : 0;
	python_text(word(f->code + layout->file, false), file, cap, false);
	python_text(word(f->code + layout->name, false), function, cap, false);
}

uint32_t python_eval(uint64_t *lo, uint64_t *hi)
{
	const struct module *m = module_by_id(module);
	*lo = api.eval - m->bias;
	*hi = *lo + api.eval_bytes;
	return module;
}
