/*
 * watch_elf.h - An ELF file mapped as the loader would map it, for the planner's tests: nothing of it is ever run.
 */
#ifndef TESTS_UNIT_WATCH_ELF_H
#define TESTS_UNIT_WATCH_ELF_H

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watch/plan.h"

#define ELF_SPANS 32

struct elf_map {
	char *lo;
	size_t bytes;
	uintptr_t bias;
	struct code_span text[ELF_SPANS];
	struct code_data data[ELF_SPANS];
	struct code_view view;
};

static void elf_add_data(struct elf_map *m, uintptr_t lo, uintptr_t hi, bool constant)
{
	if (lo < hi && m->view.nr_data < ELF_SPANS)
		m->data[m->view.nr_data++] = (struct code_data){ lo, hi, constant };
}

static void elf_relocate(struct elf_map *m, const Elf64_Dyn *d)
{
	const Elf64_Rela *rela = NULL;
	const uint64_t *relr = NULL;
	const Elf64_Sym *symbols = NULL;
	const char *strings = NULL;
	size_t rela_bytes = 0, relr_bytes = 0;
	for (; d->d_tag != DT_NULL; d++) {
		if (d->d_tag == DT_SYMTAB)
			symbols = (const void *)(m->bias + d->d_un.d_ptr);
		else if (d->d_tag == DT_STRTAB) /* linkers put it right behind them */
			strings = (const void *)(m->bias + d->d_un.d_ptr);
		else if (d->d_tag == DT_RELA)
			rela = (const void *)(m->bias + d->d_un.d_ptr);
		else if (d->d_tag == DT_RELASZ)
			rela_bytes = d->d_un.d_val;
		else if (d->d_tag == 36) /* DT_RELR */
			relr = (const void *)(m->bias + d->d_un.d_ptr);
		else if (d->d_tag == 35) /* DT_RELRSZ */
			relr_bytes = d->d_un.d_val;
	}
	m->view.rela = rela;
	m->view.nr_rela = rela ? rela_bytes / sizeof(*rela) : 0;
	for (size_t i = 0; i < m->view.nr_rela; i++)
		if (ELF64_R_TYPE(rela[i].r_info) == R_X86_64_RELATIVE)
			memcpy((void *)(m->bias + rela[i].r_offset),
			       &(uint64_t){ m->bias + (uint64_t)rela[i].r_addend }, 8);
	m->view.symbols = symbols;
	m->view.nr_symbols = symbols && strings > (const char *)symbols ? (size_t)(strings - (const char *)symbols) / sizeof(*symbols) : 0;
	uint64_t *where = NULL;
	for (size_t i = 0; relr && i < relr_bytes / 8; i++) {
		if (!(relr[i] & 1)) {
			where = (uint64_t *)(m->bias + relr[i]);
			*where++ += m->bias;
			continue;
		}
		for (unsigned b = 0; b < 63; b++)
			if (relr[i] >> (b + 1) & 1)
				where[b] += m->bias;
		where += 63;
	}
}

static void elf_close(struct elf_map *m)
{
	if (m->lo)
		munmap(m->lo, m->bytes);
	m->lo = NULL;
}

/* False: not an x86-64 ELF file with a .eh_frame_hdr, or it cannot be mapped where it wants to be. */
static bool elf_open(struct elf_map *m, const char *path)
{
	memset(m, 0, sizeof(*m));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	Elf64_Ehdr eh;
	Elf64_Phdr ph[64];
	bool good = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
		    pread(fd, &eh, sizeof(eh), 0) == sizeof(eh) && memcmp(eh.e_ident, ELFMAG, SELFMAG) == 0 &&
		    eh.e_machine == EM_X86_64 && eh.e_phnum <= 64 && (eh.e_type == ET_DYN || eh.e_type == ET_EXEC) &&
		    pread(fd, ph, eh.e_phnum * sizeof(*ph), (off_t)eh.e_phoff) == (ssize_t)(eh.e_phnum * sizeof(*ph));
	uintptr_t lo = UINTPTR_MAX, hi = 0, relro_lo = 0, relro_hi = 0;
	for (unsigned i = 0; good && i < eh.e_phnum; i++) {
		if (ph[i].p_type != PT_LOAD)
			continue;
		lo = ph[i].p_vaddr < lo ? ph[i].p_vaddr & ~4095ul : lo;
		hi = ph[i].p_vaddr + ph[i].p_memsz > hi ? (ph[i].p_vaddr + ph[i].p_memsz + 4095) & ~4095ul : hi;
	}
	if (!good || lo >= hi) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	void *want = eh.e_type == ET_EXEC ? (void *)lo : NULL;
	m->bytes = hi - lo;
	m->lo = mmap(want, m->bytes, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (want ? MAP_FIXED_NOREPLACE : 0), -1, 0);
	if (m->lo == MAP_FAILED) {
		m->lo = NULL;
		close(fd);
		return false;
	}
	m->bias = (uintptr_t)m->lo - lo;
	m->view = (struct code_view){ .text = m->text, .data = m->data, .bias = m->bias, .pie = eh.e_type == ET_DYN };
	for (unsigned i = 0; i < eh.e_phnum; i++)
		if (ph[i].p_type == PT_LOAD)
			good &= pread(fd, (void *)(m->bias + ph[i].p_vaddr), ph[i].p_filesz, (off_t)ph[i].p_offset) ==
				(ssize_t)ph[i].p_filesz;
	close(fd);
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		if (ph[i].p_type == PT_GNU_EH_FRAME) {
			m->view.eh_frame_hdr = (const void *)(m->bias + ph[i].p_vaddr);
			m->view.eh_frame_hdr_bytes = ph[i].p_memsz;
		} else if (ph[i].p_type == PT_GNU_RELRO) {
			relro_lo = m->bias + ph[i].p_vaddr;
			relro_hi = (relro_lo + ph[i].p_memsz) & ~4095ul;
		} else if (ph[i].p_type == PT_DYNAMIC && good) {
			elf_relocate(m, (const void *)(m->bias + ph[i].p_vaddr));
		}
	}
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		uintptr_t a = m->bias + ph[i].p_vaddr, b = a + ph[i].p_filesz;
		if (ph[i].p_type != PT_LOAD || a == b)
			continue;
		if (ph[i].p_flags & PF_X) {
			if (m->view.nr_text < ELF_SPANS)
				m->text[m->view.nr_text++] = (struct code_span){ a, b };
		} else if (!(ph[i].p_flags & PF_W)) {
			elf_add_data(m, a, b, true);
		} else if (relro_hi > a && relro_lo < b) {
			elf_add_data(m, a, relro_lo, false);
			elf_add_data(m, relro_lo, relro_hi < b ? relro_hi : b, true);
			elf_add_data(m, relro_hi, b, false);
		} else {
			elf_add_data(m, a, b, false);
		}
	}
	if (!good || !m->view.eh_frame_hdr || m->view.nr_text == 0) {
		elf_close(m);
		return false;
	}
	return true;
}

#endif
