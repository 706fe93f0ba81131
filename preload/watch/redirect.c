/* redirect.c - See redirect.h. */
#include "watch/redirect.h"

#include "base/sys.h"

#include <elf.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE  4096ul
#define NAMES 512u /* places of the hash table, a power of two */

/* Weak: a unit test may be without wrappers. */
extern const struct redirect_row __start_snarl_redirects[] __attribute__((weak)), __stop_snarl_redirects[] __attribute__((weak));

static uint8_t place[NAMES]; /* row + 1 */
static bool ready;

static uint32_t hash_of(const char *s)
{
	uint32_t h = 5381;
	for (; *s; s++)
		h = h * 33 + (uint8_t)*s;
	return h;
}

static bool is_libc(const struct module *m)
{
	const char *slash = m && m->path ? strrchr(m->path, '/') : NULL;
	return slash && (strncmp(slash, "/libc.so.", 9) == 0 || strncmp(slash, "/libc-2.", 8) == 0);
}

/* A program may have a memcpy of its own: that one is watched as such. */
static bool ours_or_libc(uintptr_t addr)
{
	const struct module *m = module_find(addr);
	return m && (m->self || is_libc(m));
}

static void prepare(void)
{
	for (const struct redirect_row *r = __start_snarl_redirects; r < __stop_snarl_redirects && !ready; r++) {
		if (!r->real || !ours_or_libc((uintptr_t)r->real) || r - __start_snarl_redirects >= 255)
			continue;
		uint32_t i = hash_of(r->name) % NAMES;
		while (place[i])
			i = (i + 1) % NAMES;
		place[i] = (uint8_t)(r - __start_snarl_redirects + 1);
	}
	ready = true;
}

static const struct redirect_row *row_of(const char *name)
{
	for (uint32_t i = hash_of(name) % NAMES; place[i]; i = (i + 1) % NAMES)
		if (strcmp(__start_snarl_redirects[place[i] - 1].name, name) == 0)
			return &__start_snarl_redirects[place[i] - 1];
	return NULL;
}

struct dynamic {
	const Elf64_Rela *rela[2]; /* DT_RELA, DT_JMPREL */
	size_t bytes[2];
	const Elf64_Sym *sym;
	const char *str;
	uintptr_t relro_lo, relro_hi; /* what the loader makes read-only */
};

static bool read_dynamic(const struct module *m, struct dynamic *d)
{
	unsigned nr;
	const Elf64_Phdr *ph = module_phdr(m, &nr);
	const Elf64_Dyn *e = NULL;
	memset(d, 0, sizeof *d);
	for (unsigned i = 0; i < nr; i++) {
		uintptr_t lo = m->bias + ph[i].p_vaddr;
		if (ph[i].p_type == PT_DYNAMIC)
			e = (const Elf64_Dyn *)lo;
		if (ph[i].p_type == PT_GNU_RELRO) { /* whole pages only, as the loader does */
			d->relro_lo = lo & ~(PAGE - 1);
			d->relro_hi = (lo + ph[i].p_memsz) & ~(PAGE - 1);
		}
	}
	for (; e && e->d_tag != DT_NULL; e++) {
		/* Addresses where the loader could write them, link-time addresses elsewhere. */
		uintptr_t v = e->d_un.d_ptr, at = v < m->bias ? v + m->bias : v;
		switch (e->d_tag) {
		case DT_RELA:
			d->rela[0] = (const Elf64_Rela *)at;
			break;
		case DT_RELASZ:
			d->bytes[0] = v;
			break;
		case DT_JMPREL:
			d->rela[1] = (const Elf64_Rela *)at;
			break;
		case DT_PLTRELSZ:
			d->bytes[1] = v;
			break;
		case DT_SYMTAB:
			d->sym = (const Elf64_Sym *)at;
			break;
		case DT_STRTAB:
			d->str = (const char *)at;
			break;
		default:
			break;
		}
	}
	return d->sym && d->str;
}

static bool replace(const struct dynamic *d, uintptr_t slot, uintptr_t value)
{
	uintptr_t page = slot & ~(PAGE - 1);
	bool fixed = slot >= d->relro_lo && slot < d->relro_hi;
	if (fixed && sys3(SYS_mprotect, page, PAGE, PROT_READ | PROT_WRITE) != 0)
		return false;
	atomic_store((_Atomic uintptr_t *)slot, value);
	if (fixed)
		sys3(SYS_mprotect, page, PAGE, PROT_READ);
	return true;
}

void redirect_module(const struct module *m)
{
	struct dynamic d;
	if (!ready)
		prepare();
	if (!read_dynamic(m, &d))
		return;
	for (unsigned k = 0; k < 2; k++)
		for (size_t i = 0; d.rela[k] && i < d.bytes[k] / sizeof(Elf64_Rela); i++) {
			const Elf64_Rela *r = &d.rela[k][i];
			uint32_t type = ELF64_R_TYPE(r->r_info);
			uintptr_t slot = m->bias + r->r_offset;
			const struct redirect_row *row;
			if ((type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT) || slot & 7 || slot < m->lo || slot + 8 > m->hi)
				continue;
			if (!(row = row_of(d.str + d.sym[ELF64_R_SYM(r->r_info)].st_name)))
				continue;
			uintptr_t now = *(const uintptr_t *)slot;
			/* Unbound: it leads into the module's own PLT. */
			bool unbound = type == R_X86_64_JUMP_SLOT && now >= m->lo && now < m->hi;
			if (now != (uintptr_t)row->wrapper && (unbound || ours_or_libc(now)))
				replace(&d, slot, (uintptr_t)row->wrapper);
		}
}
