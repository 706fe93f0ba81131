/* view.c - See view.h. */
#include "watch/view.h"

#include <elf.h>
#include <link.h>
#include <string.h>

struct dynamic {
	uintptr_t rela, pltgot;
	size_t rela_bytes, plt_bytes;
	uintptr_t symbols, hash, gnu_hash;
};

/* Entries are addresses where the loader could write them, and link-time addresses elsewhere. */
static uintptr_t here(const struct module *m, uintptr_t v)
{
	return v < m->bias ? v + m->bias : v;
}

static void read_dynamic(const struct module *m, const Elf64_Dyn *e, struct dynamic *d)
{
	for (; e->d_tag != DT_NULL; e++)
		switch (e->d_tag) {
		case DT_RELA:
			d->rela = here(m, e->d_un.d_ptr);
			break;
		case DT_RELASZ:
			d->rela_bytes = e->d_un.d_val;
			break;
		case DT_SYMTAB:
			d->symbols = here(m, e->d_un.d_ptr);
			break;
		case DT_HASH:
			d->hash = here(m, e->d_un.d_ptr);
			break;
		case DT_GNU_HASH:
			d->gnu_hash = here(m, e->d_un.d_ptr);
			break;
		case DT_PLTGOT:
			d->pltgot = here(m, e->d_un.d_ptr);
			break;
		case DT_PLTRELSZ:
			d->plt_bytes = e->d_un.d_val;
			break;
		default:
			break;
		}
}

/* How many dynamic symbols there are is said by the tables to look them up with alone.
 * source: gABI, "Hash Table"; of the GNU kind, glibc's elf/dl-lookup.c: the last chain ends with its lowest bit set. */
static size_t symbols_of(const struct dynamic *d)
{
	if (!d->symbols)
		return 0;
	if (d->hash)
		return ((const uint32_t *)d->hash)[1];
	const uint32_t *h = (const uint32_t *)d->gnu_hash;
	if (!h)
		return 0;
	uint32_t nr = h[0], first = h[1], words = h[2], last = 0;
	const uint32_t *buckets = h + 4 + 2 * (size_t)words, *chain = buckets + nr;
	for (uint32_t b = 0; b < nr; b++)
		last = buckets[b] > last ? buckets[b] : last;
	if (last < first)
		return first;
	while (!(chain[last - first] & 1))
		last++;
	return (size_t)last + 1;
}

static bool add_data(struct view *o, uintptr_t lo, uintptr_t hi, bool constant)
{
	if (lo >= hi)
		return true;
	if (o->v.nr_data == VIEW_SPANS)
		return false;
	o->data[o->v.nr_data++] = (struct code_data){ lo, hi, constant };
	return true;
}

/* A writable segment: what the loader alone writes is cut out of it. fixed: ascending. */
static bool add_writable(struct view *o, uintptr_t lo, uintptr_t hi, const struct code_span *fixed, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		uintptr_t a = fixed[i].lo > lo ? fixed[i].lo : lo, b = fixed[i].hi < hi ? fixed[i].hi : hi;
		if (a >= b)
			continue;
		if (!add_data(o, lo, a, false) || !add_data(o, a, b, true))
			return false;
		lo = b;
	}
	return add_data(o, lo, hi, false);
}

bool view_of(const struct module *m, struct view *o)
{
	unsigned nr, nr_fixed = 0;
	const Elf64_Phdr *ph = module_phdr(m, &nr);
	struct dynamic d = { 0 };
	struct code_span fixed[2];
	memset(o, 0, sizeof *o);
	for (unsigned i = 0; i < nr; i++) {
		uintptr_t lo = m->bias + ph[i].p_vaddr;
		if (ph[i].p_type == PT_DYNAMIC)
			read_dynamic(m, (const Elf64_Dyn *)lo, &d);
		if (ph[i].p_type == PT_GNU_RELRO)
			fixed[nr_fixed++ % 1] = (struct code_span){ lo, lo + ph[i].p_memsz };
	}
	/* Words for lazy binding: three of the loader's own, which RELRO may cover, and one for each entry. source: psABI 5.2 */
	if (nr_fixed > 1)
		nr_fixed = 1;
	uintptr_t lazy = d.pltgot, lazy_end = d.pltgot + 8 * (3 + d.plt_bytes / sizeof(Elf64_Rela));
	if (nr_fixed && lazy >= fixed[0].lo && lazy < fixed[0].hi)
		lazy = fixed[0].hi;
	if (d.pltgot && d.plt_bytes && lazy < lazy_end && (!nr_fixed || lazy >= fixed[0].hi))
		fixed[nr_fixed++] = (struct code_span){ lazy, lazy_end };
	for (unsigned i = 0; i < nr; i++) {
		uintptr_t lo = m->bias + ph[i].p_vaddr, hi = lo + ph[i].p_memsz;
		if (ph[i].p_type != PT_LOAD || !(ph[i].p_flags & PF_R) || lo >= hi)
			continue;
		if (ph[i].p_flags & PF_X) {
			if (o->v.nr_text == VIEW_SPANS || ph[i].p_flags & PF_W)
				return false;
			o->text[o->v.nr_text++] = (struct code_span){ lo, m->bias + ph[i].p_vaddr + ph[i].p_filesz };
		} else if (!(ph[i].p_flags & PF_W ? add_writable(o, lo, hi, fixed, nr_fixed)
						  : add_data(o, lo, hi, true))) {
			return false;
		}
	}
	if (!o->v.nr_text)
		return false;
	o->text_lo = o->text[0].lo;
	o->text_hi = o->text[o->v.nr_text - 1].hi;
	o->v.text = o->text;
	o->v.data = o->data;
	o->v.eh_frame_hdr = m->eh_frame_hdr;
	o->v.eh_frame_hdr_bytes = m->eh_frame_hdr_bytes;
	o->v.rela = (const Elf64_Rela *)d.rela;
	o->v.nr_rela = d.rela_bytes / sizeof(Elf64_Rela);
	o->v.symbols = (const Elf64_Sym *)d.symbols;
	o->v.nr_symbols = symbols_of(&d);
	o->v.bias = m->bias;
	o->v.pie = m->bias != 0;
	return true;
}
