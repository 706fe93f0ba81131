/* module_facts.c - See module_facts.h. */
#include "core/module_facts.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/sys.h"

bool facts_segment(const Elf64_Phdr *ph, unsigned nr, uintptr_t bias, uintptr_t addr, uint32_t flags, uintptr_t *lo,
		   uintptr_t *hi)
{
	for (unsigned i = 0; i < nr; i++) {
		uintptr_t start = bias + ph[i].p_vaddr;
		if (ph[i].p_type != PT_LOAD || (ph[i].p_flags & flags) != flags || addr < start ||
		    addr - start >= ph[i].p_memsz)
			continue;
		*lo = start;
		*hi = start + ph[i].p_memsz;
		return true;
	}
	return false;
}

static char *keep(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	char *p = arena_alloc(la + lb + 1);
	if (p) {
		memcpy(p, a, la);
		memcpy(p + la, b, lb + 1);
	}
	return p;
}

static bool same_file(const char *a, const char *b)
{
	struct stat sa, sb;
	return sys4(SYS_newfstatat, AT_FDCWD, a, &sa, 0) == 0 && sys4(SYS_newfstatat, AT_FDCWD, b, &sb, 0) == 0 &&
	       sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

/* The path at the end of the /proc/self/maps line whose mapping holds addr, into buf. */
static bool path_from_maps(uintptr_t addr, char *buf, size_t cap)
{
	long fd = sys3(SYS_open, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	char in[512];
	uintptr_t n[2] = { 0, 0 };
	unsigned field = 0; /* 0 start, 1 end, 2 the rest up to '/', 3 path */
	size_t len = 0;
	long got;
	bool hit = false;
	while (!hit && (got = sys3(SYS_read, fd, in, sizeof(in))) > 0)
		for (long i = 0; i < got && !hit; i++) {
			char ch = in[i];
			if (ch == '\n') {
				hit = field == 3 && n[0] <= addr && addr < n[1];
				if (!hit)
					n[0] = n[1] = field = len = 0;
			} else if (field < 2 && (ch == '-' || ch == ' ')) {
				field++;
			} else if (field < 2) {
				n[field] = n[field] << 4 | (uintptr_t)(ch <= '9' ? ch - '0' : ch - 'a' + 10);
			} else if (field == 3 || ch == '/') {
				field = 3;
				if (len < cap - 1)
					buf[len++] = ch;
			}
		}
	sys1(SYS_close, fd);
	buf[len] = 0;
	return hit;
}

/* The executable has no name in the loader's list. Started as `ld.so ./app`, /proc/self/exe is ld.so. */
static const char *executable_path(uintptr_t lo)
{
	char buf[PATH_MAX];
	long n = sys3(SYS_readlink, "/proc/self/exe", buf, sizeof(buf) - 1);
	buf[n > 0 ? n : 0] = 0;
	const char *base = strrchr(buf, '/');
	bool loader =
	    base && strncmp(base, "/ld", 3) == 0 && same_file("/proc/self/exe", "/lib64/ld-linux-x86-64.so.2");
	if ((n <= 0 || loader) && !path_from_maps(lo, buf, sizeof(buf)))
		return n > 0 ? keep(buf, "") : "/proc/self/exe";
	return keep(buf, "");
}

static const char *absolute(const char *name)
{
	if (name[0] == '/' || !strchr(name, '/'))
		return keep(name, "");
	char dir[PATH_MAX];
	long n = sys2(SYS_getcwd, dir, sizeof(dir) - 1);
	if (n <= 1 || dir[0] != '/')
		return keep(name, "");
	while (name[0] == '.' && name[1] == '/')
		name += 2;
	dir[n - 1] = '/';
	dir[n] = 0;
	return keep(n > 2 ? dir : "/", name);
}

static bool is_system(const char *path)
{
	static const char *const dirs[] = { "/lib/",     "/lib32/",     "/lib64/",     "/libx32/",
					    "/usr/lib/", "/usr/lib32/", "/usr/lib64/", "/usr/libx32/" };
	for (unsigned i = 0; i < ARRAY_SIZE(dirs); i++)
		if (strncmp(path, dirs[i], strlen(dirs[i])) == 0)
			return true;
	return false;
}

/* source: gABI "Note Section"; notes are 4-aligned, or 8-aligned where p_align says so (GNU properties). */
static void read_build_id(struct module *m, const Elf64_Phdr *note, uintptr_t hi)
{
	uintptr_t p = m->bias + note->p_vaddr, end = p + note->p_memsz;
	uintptr_t align = note->p_align == 8 ? 8 : 4;
	if (end > hi)
		end = hi;
	while (end > p && end - p >= sizeof(Elf64_Nhdr)) {
		const Elf64_Nhdr *h = (const Elf64_Nhdr *)p;
		uintptr_t name = p + sizeof(*h);
		uintptr_t desc = (name + h->n_namesz + align - 1) & -align;
		if (desc > end || h->n_descsz > end - desc)
			return;
		if (h->n_type == NT_GNU_BUILD_ID && h->n_namesz == 4 && memcmp((const void *)name, "GNU", 4) == 0) {
			m->build_id_len = h->n_descsz < BUILD_ID_MAX ? h->n_descsz : BUILD_ID_MAX;
			memcpy(m->build_id, (const void *)desc, m->build_id_len);
			return;
		}
		p = (desc + h->n_descsz + align - 1) & -align;
	}
}

bool facts_measure(const struct dl_phdr_info *info, struct module *m)
{
	uintptr_t lo = UINTPTR_MAX, hi = 0, seg_lo, seg_hi;
	const Elf64_Phdr *ph = info->dlpi_phdr;
	*m = (struct module){ .bias = info->dlpi_addr };
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		if (ph[i].p_type != PT_LOAD)
			continue;
		uintptr_t start = m->bias + ph[i].p_vaddr;
		lo = start < lo ? start : lo;
		hi = start + ph[i].p_memsz > hi ? start + ph[i].p_memsz : hi;
	}
	if (lo >= hi)
		return false;
	m->lo = lo & ~(uintptr_t)4095;
	m->hi = (hi + 4095) & ~(uintptr_t)4095;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		uintptr_t at = m->bias + ph[i].p_vaddr;
		if (ph[i].p_type == PT_TLS)
			m->tls_bytes = ph[i].p_memsz;
		/* A segment that no PT_LOAD holds may not be mapped. */
		if (!facts_segment(ph, info->dlpi_phnum, m->bias, at, PF_R, &seg_lo, &seg_hi))
			continue;
		if (ph[i].p_type == PT_NOTE && m->build_id_len == 0)
			read_build_id(m, &ph[i], seg_hi);
		if (ph[i].p_type == PT_GNU_EH_FRAME) {
			m->eh_frame_hdr = (const void *)at;
			m->eh_frame_hdr_bytes = ph[i].p_memsz < seg_hi - at ? ph[i].p_memsz : seg_hi - at;
		}
	}
	return true;
}

void facts_name(const char *name, struct module *m)
{
	bool vdso = m->lo == getauxval(AT_SYSINFO_EHDR);
	bool exe = !vdso && (!name || !name[0]);
	m->path = vdso ? "[vdso]" : exe ? executable_path(m->lo) : absolute(name);
	if (!m->path)
		m->path = "?";
	/* cc1 lives under /usr/lib; a program is never "system". */
	m->system = vdso || (!exe && is_system(m->path));
	uintptr_t here = (uintptr_t)module_find;
	m->self = m->lo <= here && here < m->hi;
}
