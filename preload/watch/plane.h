/*
 * plane.h - A private plane of tags for each thread: one byte for each byte of the address space.
 *
 * Plane address = program address + a distance that is the same for the whole of one thread's plane and lies in its %gs
 * base, so that a check costs no address arithmetic. Only windows of the address space are mapped: the executable with
 * its heap, the mmap area, the main stack; an access elsewhere faults on the plane and is sent to the slow path.
 * Distances are multiples of a stride, chosen so that the windows are disjoint modulo it: planes then overlap neither
 * the program nor each other. Where a window lies so low that no plane fits below (an executable that is not position
 * independent), the arithmetic form is used: plane address = %gs base + the low bits of the program address. Two
 * addresses with the same low bits share a tag then: at worst an access is not recorded.
 *
 * A thread without a plane of its own has the null plane: zeroes, read-only, every check misses.
 */
#ifndef SNARL_WATCH_PLANE_H
#define SNARL_WATCH_PLANE_H

#include "base/compiler.h"

#define PLANE_WINDOWS 8u

struct plane_window {
	uintptr_t lo, hi;
};

struct plane_layout {
	bool direct;
	unsigned shift;  /* arithmetic form: the bits of an address that do not count */
	uint64_t stride; /* direct form */
	unsigned nr;
	struct plane_window window[PLANE_WINDOWS];
};
extern struct plane_layout plane_layout;

/* One thread's plane. */
struct plane {
	struct plane *next; /* in the list of free ones */
	uint64_t gs;        /* distance (direct), or base (arithmetic) */
	bool null;
	uintptr_t mask; /* the bits of an address that count */
};

/* Works out windows and stride from what is mapped now, and maps the null plane. NULL, or why there can be no planes at
 * all (then every check would fault: do not patch). low: the executable is not position independent. */
const char *plane_start(bool low);

/* A plane for one more thread; the null plane when there is no room. */
struct plane *plane_get(void);
/* Its thread has ended: wiped, for the next one. */
void plane_put(struct plane *p);

/* Sets %gs for the calling thread. */
void plane_use(const struct plane *p);
void plane_use_null(void);

/* Zeroes the tags of [addr, addr + bytes). Any thread may call it for any plane. */
void plane_wipe(const struct plane *p, uintptr_t addr, size_t bytes);

void plane_fork_child(void);

/* Where the tag of addr lies, 0 when that is not mapped for writing. bytes: up to 64, no window ends inside. */
HOT uintptr_t plane_of(const struct plane *p, uintptr_t addr, unsigned bytes)
{
	if (unlikely(p->null))
		return 0;
	if (!plane_layout.direct)
		return p->gs + (addr << plane_layout.shift >> plane_layout.shift);
	for (unsigned i = 0; i < plane_layout.nr; i++)
		if (addr - plane_layout.window[i].lo < plane_layout.window[i].hi - plane_layout.window[i].lo - bytes)
			return addr + p->gs;
	return 0;
}

/* The same where a check has just read the tag of addr without a fault. */
HOT uintptr_t plane_at(const struct plane *p, uintptr_t addr) { return unlikely(p->null) ? 0 : p->gs + (addr & p->mask); }

#endif
