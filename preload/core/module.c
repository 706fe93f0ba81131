/* module.c - See module.h. */
#include "core/module.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/spin.h"
#include "base/sys.h"

#define CHUNK 256u
#define NR_CHUNKS 256u
#define MAX_ID (CHUNK * NR_CHUNKS - 1) /* a depot frame keeps 16 bits of an id */

struct record {
	struct module m; /* first: a module pointer is a record pointer */
	Elf64_Phdr *phdr;
	uint32_t nr_phdr;
	uint32_t seen; /* number of the last refresh that met it */
};

struct range {
	_Atomic uintptr_t lo, hi;
	_Atomic(struct record *) rec;
};

struct table {
	_Atomic uint32_t nr; /* nr <= cap at any moment, also for a reader that was overtaken */
	uint32_t cap;
	struct range range[]; /* sorted by lo */
};

#define LOAD(x) atomic_load_explicit(&(x), memory_order_relaxed)
#define STORE(x, v) atomic_store_explicit(&(x), (v), memory_order_relaxed)

/*
 * Readers take no lock, and a plug-in host may reload its libraries for weeks, so tables are recycled: the writer fills
 * the one that is not live, and a reader that was overtaken sees `turn` moved and looks again.
 */
static struct table *spare;
static _Atomic(struct table *) live;
static _Atomic uint32_t turn;

static struct spin lock = SPIN_INIT(RANK_MODULE);
static struct record **_Atomic chunk[NR_CHUNKS];
static _Atomic uint32_t nr_modules;
static _Atomic uint32_t epoch = 1;
/* All under `lock`. */
static uint32_t refreshes;
static unsigned long long last_adds, last_subs;
static bool listed;

static struct record *record_by_id(uint32_t id)
{
	if (id == 0 || id > atomic_load_explicit(&nr_modules, memory_order_acquire))
		return NULL;
	struct record **c = atomic_load_explicit(&chunk[id / CHUNK], memory_order_acquire);
	return c ? c[id % CHUNK] : NULL;
}

const struct module *module_by_id(uint32_t id)
{
	const struct record *r = record_by_id(id);
	return r ? &r->m : NULL;
}

uint32_t module_count(void) { return atomic_load_explicit(&nr_modules, memory_order_acquire); }
uint32_t module_epoch(void) { return atomic_load_explicit(&epoch, memory_order_acquire); }

const struct module *module_find(uintptr_t addr)
{
	for (;;) {
		uint32_t t0 = atomic_load_explicit(&turn, memory_order_acquire);
		struct table *t = atomic_load_explicit(&live, memory_order_acquire);
		if (!t)
			return NULL;
		const struct range *base = t->range;
		uint32_t n = LOAD(t->nr);
		struct record *found = NULL;
		/* The last range that begins at or below addr. */
		while (n > 1) {
			uint32_t half = n / 2;
			base = LOAD(base[half].lo) <= addr ? base + half : base;
			n -= half;
		}
		if (n && LOAD(base->lo) <= addr && addr < LOAD(base->hi))
			found = LOAD(base->rec);
		atomic_thread_fence(memory_order_acquire);
		if (unlikely(atomic_load_explicit(&turn, memory_order_relaxed) != t0))
			continue;
		if (!found || atomic_load_explicit(&found->m.gone, memory_order_relaxed))
			return NULL;
		return &found->m;
	}
}

const void *module_phdr(const struct module *m, unsigned *nr)
{
	const struct record *r = (const struct record *)m;
	*nr = r->nr_phdr;
	return r->phdr;
}

static bool segment_of(const Elf64_Phdr *ph, unsigned nr, uintptr_t bias, uintptr_t addr, uint32_t flags, uintptr_t *lo,
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

bool module_segment(const struct module *m, uintptr_t addr, bool exec, uintptr_t *lo, uintptr_t *hi)
{
	const struct record *r = (const struct record *)m;
	return segment_of(r->phdr, r->nr_phdr, m->bias, addr, PF_R | (exec ? PF_X : 0), lo, hi);
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
	bool loader = base && strncmp(base, "/ld", 3) == 0 && same_file("/proc/self/exe", "/lib64/ld-linux-x86-64.so.2");
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
	static const char *const dirs[] = { "/lib/",	  "/lib32/",	 "/lib64/",	 "/libx32/",
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

/* What the headers say, without names: enough to tell whether we know it already. */
static bool measure(const struct dl_phdr_info *info, struct module *m)
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
		/* A segment that no PT_LOAD holds may not be mapped. */
		if (!segment_of(ph, info->dlpi_phnum, m->bias, at, PF_R, &seg_lo, &seg_hi))
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

static bool same_module(const struct module *a, const struct module *b, const char *name)
{
	if (a->bias != b->bias || a->lo != b->lo || a->hi != b->hi || a->build_id_len != b->build_id_len ||
	    memcmp(a->build_id, b->build_id, a->build_id_len) != 0)
		return false;
	/* With a build id the contents are the same, whatever the file is called now. A library that is still there
	 * never changes its name, so this compares what was closed and opened again. */
	if (a->build_id_len)
		return true;
	const char *ab = strrchr(a->path, '/'), *nb = strrchr(name, '/');
	return name[0] == 0 || a->path[0] == '[' || strcmp(ab ? ab + 1 : a->path, nb ? nb + 1 : name) == 0;
}

static struct record *add(const struct dl_phdr_info *info, const struct module *seen)
{
	uint32_t id = atomic_load_explicit(&nr_modules, memory_order_relaxed) + 1;
	if (id > MAX_ID)
		return NULL;
	struct record **c = atomic_load_explicit(&chunk[id / CHUNK], memory_order_relaxed);
	if (!c) {
		c = arena_alloc(CHUNK * sizeof(*c));
		atomic_store_explicit(&chunk[id / CHUNK], c, memory_order_release);
	}
	struct record *r = arena_alloc(sizeof(*r));
	Elf64_Phdr *ph = arena_alloc(info->dlpi_phnum * sizeof(*ph));
	if (!c || !r || !ph)
		return NULL;
	memcpy(ph, info->dlpi_phdr, info->dlpi_phnum * sizeof(*ph));
	r->m = *seen;
	r->phdr = ph;
	r->nr_phdr = info->dlpi_phnum;
	r->m.id = id;
	bool vdso = r->m.lo == getauxval(AT_SYSINFO_EHDR);
	bool exe = !vdso && (!info->dlpi_name || !info->dlpi_name[0]);
	r->m.path = vdso ? "[vdso]" : exe ? executable_path(r->m.lo) : absolute(info->dlpi_name);
	if (!r->m.path)
		r->m.path = "?";
	/* cc1 lives under /usr/lib; a program is never "system". */
	r->m.system = vdso || (!exe && is_system(r->m.path));
	uintptr_t here = (uintptr_t)module_find;
	r->m.self = r->m.lo <= here && here < r->m.hi;
	c[id % CHUNK] = r;
	atomic_store_explicit(&nr_modules, id, memory_order_release);
	return r;
}

struct pass {
	bool locked, idle, changed;
};

static int visit(struct dl_phdr_info *info, size_t bytes, void *arg)
{
	struct pass *pass = arg;
	if (!pass->locked) {
		/* Taken under the loader's lock and held until the table is out: passes cannot overtake each other. */
		spin_lock(&lock);
		pass->locked = true;
		refreshes++;
		if (bytes >= offsetof(struct dl_phdr_info, dlpi_subs) + sizeof(info->dlpi_subs)) {
			if (listed && info->dlpi_adds == last_adds && info->dlpi_subs == last_subs) {
				pass->idle = true;
				return 1;
			}
			last_adds = info->dlpi_adds;
			last_subs = info->dlpi_subs;
		}
	}
	struct module m;
	if (!measure(info, &m))
		return 0;
	/* Newest first: what was closed and opened again is what we met last. */
	for (uint32_t id = module_count(); id > 0; id--) {
		struct record *r = record_by_id(id);
		if (!same_module(&r->m, &m, info->dlpi_name ? info->dlpi_name : ""))
			continue;
		r->seen = refreshes;
		if (atomic_load_explicit(&r->m.gone, memory_order_relaxed)) {
			r->m.eh_frame_hdr = m.eh_frame_hdr;
			atomic_store_explicit(&r->m.gone, false, memory_order_release);
			pass->changed = true;
		}
		return 0;
	}
	struct record *r = add(info, &m);
	if (r) {
		r->seen = refreshes;
		pass->changed = true;
	}
	return 0;
}

static void range_set(struct range *range, struct record *r)
{
	STORE(range->lo, r->m.lo);
	STORE(range->hi, r->m.hi);
	STORE(range->rec, r);
}

/* The present modules, sorted, into the table that is not live. */
static void publish(void)
{
	struct table *t = spare;
	uint32_t all = module_count(), nr = 0;
	for (uint32_t id = 1; id <= all; id++)
		nr += !atomic_load_explicit(&record_by_id(id)->m.gone, memory_order_relaxed);
	if (!t || nr > t->cap) {
		uint32_t cap = nr < 32 ? 64 : nr * 2;
		t = arena_alloc(sizeof(*t) + cap * sizeof(t->range[0]));
		if (!t)
			return; /* the old table stands; arena_refused counts it */
		t->cap = cap;
	}
	nr = 0;
	for (uint32_t id = 1; id <= all; id++) {
		struct record *r = record_by_id(id);
		if (atomic_load_explicit(&r->m.gone, memory_order_relaxed))
			continue;
		uint32_t i = nr++;
		for (; i > 0 && LOAD(t->range[i - 1].lo) > r->m.lo; i--)
			range_set(&t->range[i], LOAD(t->range[i - 1].rec));
		range_set(&t->range[i], r);
	}
	STORE(t->nr, nr);
	spare = atomic_exchange_explicit(&live, t, memory_order_acq_rel);
	atomic_fetch_add_explicit(&turn, 1, memory_order_seq_cst);
}

bool module_refresh(void)
{
	struct pass pass = { false, false, false };
	bool gone = false;
	dl_iterate_phdr(visit, &pass);
	if (!pass.locked)
		return false;
	if (!pass.idle) {
		listed = true;
		for (uint32_t id = 1; id <= module_count(); id++) {
			struct record *r = record_by_id(id);
			if (r->seen == refreshes || atomic_load_explicit(&r->m.gone, memory_order_relaxed))
				continue;
			atomic_store_explicit(&r->m.gone, true, memory_order_release);
			gone = true;
		}
		if (gone || pass.changed)
			publish();
		if (gone)
			atomic_fetch_add_explicit(&epoch, 1, memory_order_seq_cst);
	}
	spin_unlock(&lock);
	return gone || pass.changed;
}

void module_start(void) { module_refresh(); }

void module_fork_child(void)
{
	spin_reset(&lock);
	listed = false; /* a pass of a thread that is gone may have been half done */
}
