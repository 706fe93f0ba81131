/* plane.c - See plane.h. */
#include "watch/plane.h"

#include "base/arena.h"
#include "base/spin.h"
#include "base/sys.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#define GIB        (1ull << 30)
#define TOP        (1ull << 47)
#define LOWEST     (1ull << 20) /* below lies nothing of ours (vm.mmap_min_addr is 64 KiB) */
#define MAX_PLANES 4096
/* Room to grow: the heap upwards, the mmap area downwards (or upwards where it is laid out so), a main stack without
 * limit. */
#define HEAP_ROOM  (64 * GIB)
#define MMAP_ROOM  (128 * GIB)
#define STACK_ROOM (4 * GIB)
#define NEAR       (4 * GIB)
/* Arithmetic form: planes of 64 GiB, of which 500 fit in a quarter of the address space. */
#define LOW_BITS 36u
#define PAGE     4096ul
/*
 * By so much tags lie aside of what they belong to, modulo a page: a processor takes a load for one of what was just stored when the
 * low 12 bits of the two addresses are the same, and finds both in the same set of its cache.
 */
#define BESIDE   (33 * 64ul)

struct plane_layout plane_layout;
static struct plane null_plane;
static struct plane *free_planes;
static uint32_t next_index = 1;
static struct spin lock = SPIN_INIT(RANK_PLANE);

/* ---- what is mapped ---------------------------------------------------------------------------------------------- */

static uintptr_t hex(const char **s)
{
	uintptr_t v = 0;
	for (;; (*s)++) {
		char c = **s;
		unsigned d = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
			     : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
						    : 16;
		if (d == 16)
			return v;
		v = v << 4 | d;
	}
}

struct reader {
	int fd;
	char buf[4096];
	size_t at, have;
};

static bool next_line(struct reader *r, char *out, size_t cap)
{
	size_t n = 0;
	for (;;) {
		if (r->at == r->have) {
			long got = sys3(SYS_read, r->fd, r->buf, sizeof r->buf);
			if (got <= 0)
				return n > 0;
			r->at = 0;
			r->have = (size_t)got;
		}
		char c = r->buf[r->at++];
		if (c == '\n') {
			out[n] = 0;
			return true;
		}
		if (n + 1 < cap)
			out[n++] = c;
	}
}

/* Runs of mappings with no more than NEAR between them; how each may grow depends on what lies in it. */
static const char *read_windows(struct plane_window *w, unsigned *nr)
{
	static struct reader r; /* once, at start */
	char line[512];
	unsigned n = 0;
	int stack = -1;
	r.at = r.have = 0;
	r.fd = (int)sys4(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
	if (r.fd < 0)
		return "/proc/self/maps cannot be read";
	while (next_line(&r, line, sizeof line)) {
		const char *s = line;
		uintptr_t lo = hex(&s), hi = (s++, hex(&s));
		if (hi > TOP || lo < LOWEST)
			continue;
		if (n && lo - w[n - 1].hi <= NEAR && stack != (int)n - 1 && !strstr(line, "[stack]")) {
			w[n - 1].hi = hi;
		} else {
			if (n == PLANE_WINDOWS)
				break;
			w[n++] = (struct plane_window){ lo, hi };
		}
		if (strstr(line, "[stack]"))
			stack = (int)n - 1;
	}
	sys1(SYS_close, r.fd);
	if (!n)
		return "/proc/self/maps is empty";
	for (unsigned i = 0; i < n; i++) {
		bool is_stack = (int)i == stack, last = i + 1 == n;
		uintptr_t above = last ? TOP : w[i + 1].lo, below = i ? w[i - 1].hi : LOWEST;
		uintptr_t up = is_stack || w[i].lo > TOP / 2 ? GIB : HEAP_ROOM, down = is_stack            ? STACK_ROOM
										       : w[i].lo > TOP / 2 ? MMAP_ROOM
													   : GIB;
		w[i].hi += up < above - w[i].hi ? up : above - w[i].hi;
		w[i].lo -= down < w[i].lo - below ? down : w[i].lo - below;
		w[i].hi = w[i].hi & ~(GIB - 1) ? (w[i].hi + 0xfffff) & ~0xfffffull : w[i].hi;
		w[i].lo &= ~0xfffffull;
	}
	*nr = n;
	return NULL;
}

static bool disjoint(const struct plane_window *w, unsigned n, uint64_t stride)
{
	for (unsigned i = 0; i < n; i++)
		for (unsigned j = 0; j < n; j++) {
			/* Is the start of j, seen from the start of i, inside i modulo the stride? */
			uint64_t from = (w[j].lo - w[i].lo) % stride;
			if (w[j].lo < w[i].lo)
				from = (stride - (w[i].lo - w[j].lo) % stride) % stride;
			if (i != j && from < w[i].hi - w[i].lo + PAGE)
				return false;
			if (w[i].hi - w[i].lo + PAGE > stride)
				return false;
		}
	return true;
}

static void merge_overlaps(struct plane_layout *l)
{
	for (unsigned i = 0; i + 1 < l->nr;) {
		if (l->window[i].hi < l->window[i + 1].lo) {
			i++;
			continue;
		}
		if (l->window[i + 1].hi > l->window[i].hi)
			l->window[i].hi = l->window[i + 1].hi;
		memmove(&l->window[i + 1], &l->window[i + 2], (l->nr - i - 2) * sizeof l->window[0]);
		l->nr--;
	}
}

/* ---- mapping ----------------------------------------------------------------------------------------------------- */

static bool map_at(uintptr_t at, size_t bytes, bool null)
{
	long p = sys6(SYS_mmap, (long)at, (long)bytes, null ? PROT_READ : PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if (p < 0)
		return false;
	if ((uintptr_t)p != at) { /* a kernel before 4.17 takes the address for a hint */
		sys2(SYS_munmap, p, bytes);
		return false;
	}
	sys3(SYS_madvise, at, bytes, MADV_NOHUGEPAGE);
	sys3(SYS_madvise, at, bytes, MADV_DONTDUMP);
	sys3(SYS_madvise, at, bytes, MADV_WIPEONFORK);
	return true;
}

static bool map_direct(struct plane *p, uint32_t index, bool null)
{
	uint64_t d = index * plane_layout.stride;
	for (unsigned i = 0; i < plane_layout.nr; i++) {
		const struct plane_window *w = &plane_layout.window[i];
		if (w->lo >= d + LOWEST && map_at(w->lo - d, w->hi - w->lo + PAGE, null))
			continue;
		while (i--)
			sys2(SYS_munmap, plane_layout.window[i].lo - d,
			     plane_layout.window[i].hi - plane_layout.window[i].lo + PAGE);
		return false;
	}
	*p = (struct plane){ .gs = BESIDE - d, .null = null, .mask = ~0ul };
	return true;
}

/* Below what is mapped already, with room for libraries to come and for trampolines in their reach. */
static long map_below(size_t bytes, int prot)
{
	long at = sys6(SYS_mmap, 0, (long)(bytes + NEAR), prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at < 0)
		return sys6(SYS_mmap, 0, (long)bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	sys2(SYS_munmap, at + (long)bytes, NEAR);
	return at;
}

static bool map_low(struct plane *p, bool null)
{
	size_t bytes = (1ull << LOW_BITS) + 2 * PAGE; /* an access at the very end reads on */
	long at = map_below(bytes, null ? PROT_READ : PROT_READ | PROT_WRITE);
	if (at < 0)
		return false;
	sys3(SYS_madvise, at, bytes, MADV_NOHUGEPAGE);
	sys3(SYS_madvise, at, bytes, MADV_DONTDUMP);
	sys3(SYS_madvise, at, bytes, MADV_WIPEONFORK);
	*p = (struct plane){ .gs = (uint64_t)at + BESIDE, .null = null, .mask = (1ull << LOW_BITS) - 1 };
	return true;
}

static bool map_one(struct plane *p, bool null)
{
	if (!plane_layout.direct)
		return map_low(p, null);
	while (next_index < MAX_PLANES) {
		uint32_t index = next_index++;
		if (index * plane_layout.stride + LOWEST > plane_layout.window[0].lo)
			break;
		if (map_direct(p, index, null))
			return true;
	}
	next_index = MAX_PLANES;
	return false;
}

const char *plane_start(bool low)
{
	struct plane_layout *l = &plane_layout;
	const char *trouble = read_windows(l->window, &l->nr);
	if (trouble)
		return trouble;
	merge_overlaps(l);
	uint64_t sum = 0;
	for (unsigned i = 0; i < l->nr; i++)
		sum += l->window[i].hi - l->window[i].lo;
	l->stride = 0;
	for (uint64_t s = (sum + GIB) & ~(GIB - 1); !low && s < 4096 * GIB; s += GIB)
		if (disjoint(l->window, l->nr, s)) {
			l->stride = s;
			break;
		}
	/* At least two planes must fit below the lowest window: the null plane and one. */
	l->direct = l->stride && l->window[0].lo > 3 * l->stride;
	l->shift = 64 - LOW_BITS;
	if (!map_one(&null_plane, true))
		return "no address space for the planes (RLIMIT_AS?)";
	return NULL;
}

struct plane *plane_get(void)
{
	spin_lock(&lock);
	struct plane *p = free_planes;
	if (p) {
		free_planes = p->next;
	} else {
		p = arena_alloc(sizeof *p);
		if (p && !map_one(p, false)) {
			*p = null_plane;
		}
	}
	spin_unlock(&lock);
	return p ? p : &null_plane;
}

static void each_range(const struct plane *p, void (*f)(uintptr_t, size_t))
{
	if (!plane_layout.direct) {
		f(p->gs - BESIDE, (1ull << LOW_BITS) + 2 * PAGE);
		return;
	}
	for (unsigned i = 0; i < plane_layout.nr; i++)
		f(plane_layout.window[i].lo + p->gs - BESIDE, plane_layout.window[i].hi - plane_layout.window[i].lo + PAGE);
}

static void drop(uintptr_t at, size_t bytes)
{
	sys3(SYS_madvise, at, bytes, MADV_DONTNEED);
}

void plane_put(struct plane *p)
{
	if (p == &null_plane || p->null)
		return;
	each_range(p, drop);
	spin_lock(&lock);
	p->next = free_planes;
	free_planes = p;
	spin_unlock(&lock);
}

void plane_use(const struct plane *p)
{
	__asm__ volatile("wrgsbase %0" : : "r"(p->gs) : "memory");
}

void plane_use_null(void)
{
	plane_use(&null_plane);
}

/* Whole pages go back to the kernel: they are most likely not present. */
static void wipe(uintptr_t at, size_t bytes)
{
	uintptr_t lo = (at + 4095) & ~4095ull, hi = (at + bytes) & ~4095ull;
	if (lo >= hi || hi - lo < 16 * 4096) {
		memset((void *)at, 0, bytes);
		return;
	}
	memset((void *)at, 0, lo - at);
	drop(lo, hi - lo);
	memset((void *)hi, 0, at + bytes - hi);
}

void plane_wipe(const struct plane *p, uintptr_t addr, size_t bytes)
{
	if (p->null || !bytes)
		return;
	if (!plane_layout.direct) {
		uintptr_t low = addr << plane_layout.shift >> plane_layout.shift, room = (1ull << LOW_BITS) - low;
		if (bytes > 1ull << LOW_BITS)
			bytes = 1ull << LOW_BITS;
		wipe(p->gs + low, bytes < room ? bytes : room);
		if (bytes > room)
			wipe(p->gs, bytes - room);
		return;
	}
	for (unsigned i = 0; i < plane_layout.nr; i++) {
		const struct plane_window *w = &plane_layout.window[i];
		uintptr_t lo = addr > w->lo ? addr : w->lo, hi = addr + bytes < w->hi ? addr + bytes : w->hi;
		if (lo < hi)
			wipe(lo + p->gs, hi - lo);
	}
}

void plane_fork_child(void)
{
	spin_reset(&lock);
}
