/* module.c - See module.h. */
#include "core/module.h"

#include <dlfcn.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>

#include "base/arena.h"
#include "base/spin.h"
#include "core/module_facts.h"

#define CHUNK     256u
#define NR_CHUNKS 256u
#define MAX_ID    (CHUNK * NR_CHUNKS - 1) /* a depot frame keeps 16 bits of an id */

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

#define LOAD(x)     atomic_load_explicit(&(x), memory_order_relaxed)
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

const struct module *module_by_tls(uintptr_t below)
{
	for (uint32_t id = module_count(); id > 0; id--) {
		const struct module *m = module_by_id(id);
		uintptr_t at = LOAD(m->tls_below);
		if (below <= at && at - below < m->tls_bytes && !atomic_load_explicit(&m->gone, memory_order_relaxed))
			return m;
	}
	return NULL;
}

uint32_t module_count(void)
{
	return atomic_load_explicit(&nr_modules, memory_order_acquire);
}
uint32_t module_epoch(void)
{
	return atomic_load_explicit(&epoch, memory_order_acquire);
}

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

bool module_segment(const struct module *m, uintptr_t addr, bool exec, uintptr_t *lo, uintptr_t *hi)
{
	const struct record *r = (const struct record *)m;
	return facts_segment(r->phdr, r->nr_phdr, m->bias, addr, PF_R | (exec ? PF_X : 0), lo, hi);
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

/* Variant II of the ELF TLS specification: static blocks lie below the thread pointer, each as far below for all threads. */
static void note_tls(struct module *m, const struct dl_phdr_info *info)
{
	uintptr_t own = (uintptr_t)info->dlpi_tls_data, tp = thread_pointer();
	if (m->tls_bytes && own < tp && tp - own <= MODULE_TLS_BYTES && m->tls_bytes <= tp - own)
		STORE(m->tls_below, tp - own);
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
	note_tls(&r->m, info);
	facts_name(info->dlpi_name, &r->m);
	c[id % CHUNK] = r;
	atomic_store_explicit(&nr_modules, id, memory_order_release);
	return r;
}

/* Finds or adds what the loader shows us. True when it was not there. */
static bool meet_locked(const struct dl_phdr_info *info)
{
	struct module m;
	if (!facts_measure(info, &m))
		return false;
	/* Newest first: what was closed and opened again is what we met last. */
	for (uint32_t id = module_count(); id > 0; id--) {
		struct record *r = record_by_id(id);
		if (!same_module(&r->m, &m, info->dlpi_name ? info->dlpi_name : ""))
			continue;
		r->seen = refreshes;
		note_tls(&r->m, info);
		if (!atomic_load_explicit(&r->m.gone, memory_order_relaxed))
			return false;
		r->m.eh_frame_hdr = m.eh_frame_hdr;
		atomic_store_explicit(&r->m.gone, false, memory_order_release);
		return true;
	}
	struct record *r = add(info, &m);
	if (r)
		r->seen = refreshes;
	return r != NULL;
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
	if (meet_locked(info))
		pass->changed = true;
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

ALIGNS bool module_refresh(void)
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

static _Atomic(module_lookup) lookup;

void module_set_lookup(module_lookup f)
{
	atomic_store_explicit(&lookup, f, memory_order_release);
}

bool module_learn(uintptr_t addr)
{
	module_lookup f = atomic_load_explicit(&lookup, memory_order_acquire);
	struct dl_find_object found;
	if (!f || f((void *)addr, &found) != 0 || !found.dlfo_link_map)
		return false;
	/* The object's headers lie at its beginning unless somebody made an odd file. */
	const ElfW(Ehdr) *e = found.dlfo_map_start;
	struct dl_phdr_info info = { .dlpi_addr = found.dlfo_link_map->l_addr,
				     .dlpi_name = found.dlfo_link_map->l_name };
	uintptr_t bytes = (uintptr_t)found.dlfo_map_end - (uintptr_t)e;
	if (bytes < 4096 || memcmp(e->e_ident, ELFMAG, SELFMAG) != 0 || e->e_phentsize != sizeof(*info.dlpi_phdr) ||
	    e->e_phoff > 4096 || e->e_phoff + e->e_phnum * sizeof(*info.dlpi_phdr) > 4096)
		return false;
	info.dlpi_phdr = (const void *)((uintptr_t)e + e->e_phoff);
	info.dlpi_phnum = e->e_phnum;
	spin_lock(&lock);
	bool added = meet_locked(&info);
	if (added)
		publish();
	spin_unlock(&lock);
	return added && module_find(addr);
}

void module_start(void)
{
	module_refresh();
}

void module_fork_child(void)
{
	spin_reset(&lock);
	listed = false; /* a pass of a thread that is gone may have been half done */
}
