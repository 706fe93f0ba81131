/* patch.c - See patch.h. */
#include "watch/patch.h"

#include "base/sys.h"

#include <string.h>
#include <sys/mman.h>

#define PAGE  4096ull
#define REACH 0x7ff00000ull /* 2 GiB less a little, for the displacement's own bytes */
#define STEP  (1ull << 20)

static bool may_turn; /* written pages may become executable */

static long memfd_of(const void *code, size_t bytes)
{
	long fd = sys2(SYS_memfd_create, "snarl-code", MFD_CLOEXEC);
	if (fd < 0)
		return fd;
	if (sys_write_all((int)fd, code, bytes) != 0) {
		sys1(SYS_close, fd);
		return -1;
	}
	return fd;
}

/* The pages at `at` become these bytes, read and execute. */
static bool from_memfd(uintptr_t at, const void *code, size_t bytes)
{
	long fd = memfd_of(code, bytes);
	if (fd < 0)
		return false;
	long p = sys6(SYS_mmap, (long)at, (long)bytes, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0);
	sys1(SYS_close, fd);
	return p == (long)at;
}

const char *patch_start(void)
{
	static const uint8_t ret[] = { 0xc3 };
	uint8_t *p = sys_map(PAGE);
	if (!p)
		return "no memory";
	*p = ret[0];
	may_turn = sys3(SYS_mprotect, p, PAGE, PROT_READ | PROT_EXEC) == 0;
	bool ok = may_turn || from_memfd((uintptr_t)p, ret, 1);
	sys_unmap(p, PAGE);
	return ok ? NULL : "this system lets nobody put code into a process (W^X policy)";
}

static uintptr_t reserve(uintptr_t at, size_t bytes)
{
	long p = sys6(SYS_mmap, (long)at, (long)bytes, PROT_NONE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if (p < 0)
		return 0;
	if ((uintptr_t)p == at)
		return at;
	sys2(SYS_munmap, p, bytes);
	return 0;
}

uintptr_t patch_room(uintptr_t lo, uintptr_t hi, size_t bytes)
{
	bytes = (bytes + PAGE - 1) & ~(PAGE - 1);
	if (hi - lo + bytes > REACH)
		return 0;
	/* Below first: above an executable lies its heap, which grows. */
	uintptr_t lowest = hi > REACH ? hi - REACH : 0;
	for (uintptr_t at = (lo - bytes) & ~(PAGE - 1); lo > bytes && at > lowest && at > STEP; at -= STEP) {
		uintptr_t got = reserve(at, bytes);
		if (got)
			return got;
		if (at < STEP)
			break;
	}
	/* Then as far above as can be reached. */
	for (uintptr_t at = (lo + REACH - bytes) & ~(PAGE - 1); at >= hi; at -= STEP) {
		uintptr_t got = reserve(at, bytes);
		if (got)
			return got;
	}
	return 0;
}

void patch_room_free(uintptr_t at, size_t bytes)
{
	sys2(SYS_munmap, at, (bytes + PAGE - 1) & ~(PAGE - 1));
}

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4 /* Linux 5.7 */
#endif
#define MOVE_FROM (64 * PAGE)

/* Neither copied nor cleared: a big executable's trampolines are as long as its text several times over. */
static bool move_pages(uintptr_t at, const void *code, size_t whole)
{
	if ((uintptr_t)code & (PAGE - 1) || whole < MOVE_FROM ||
	    sys5(SYS_mremap, code, whole, whole, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, at) != (long)at)
		return false;
	sys3(SYS_madvise, at, whole, MADV_DODUMP);
	return true;
}

bool patch_fill(uintptr_t at, void *code, size_t bytes)
{
	size_t whole = (bytes + PAGE - 1) & ~(PAGE - 1);
	if (!may_turn)
		return from_memfd(at, code, bytes);
	if (move_pages(at, code, whole))
		return sys3(SYS_mprotect, at, whole, PROT_READ | PROT_EXEC) == 0;
	if (sys3(SYS_mprotect, at, whole, PROT_READ | PROT_WRITE) != 0)
		return false;
	memcpy((void *)at, code, bytes);
	return sys3(SYS_mprotect, at, whole, PROT_READ | PROT_EXEC) == 0;
}

static void apply(uint8_t *to, uintptr_t base, const struct patch *p, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		memcpy(to + (p[i].at - base), p[i].bytes, p[i].nr);
}

static bool copy_with_memfd(uintptr_t lo, size_t bytes, const struct patch *p, size_t nr)
{
	uint8_t *copy = sys_map(bytes);
	if (!copy)
		return false;
	memcpy(copy, (void *)lo, bytes);
	apply(copy, lo, p, nr);
	bool ok = from_memfd(lo, copy, bytes);
	sys_unmap(copy, bytes);
	return ok;
}

bool patch_text(uintptr_t lo, uintptr_t hi, const struct patch *p, size_t nr)
{
	lo &= ~(PAGE - 1);
	hi = (hi + PAGE - 1) & ~(PAGE - 1);
	if (!nr)
		return true;
	if (!may_turn)
		return copy_with_memfd(lo, hi - lo, p, nr);
	if (sys3(SYS_mprotect, lo, hi - lo, PROT_READ | PROT_WRITE) != 0)
		return false;
	apply((uint8_t *)lo, lo, p, nr);
	if (sys3(SYS_mprotect, lo, hi - lo, PROT_READ | PROT_EXEC) == 0)
		return true;
	/* The policy differs between anonymous and file pages (SELinux execmod): what was written must become
	 * executable. */
	return copy_with_memfd(lo, hi - lo, NULL, 0);
}
