/*
 * undo.c - See undo.h.
 *
 * Several bytes under a running thread: first a trap in place of the first byte (whoever meets it goes to the trampoline), then
 * the bytes behind it, then the first; between the steps every processor that runs this process is made to fetch anew.
 * source: Intel SDM 3A, 9.1.3; membarrier(2). /proc/self/mem writes where mprotect would take the right to execute away for a moment.
 */
#include "watch/undo.h"

#include "base/sys.h"

#include <fcntl.h>
#include <linux/membarrier.h>
#include <stdatomic.h>

static bool everywhere(void) { return sys3(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0) == 0; }

static bool put(long mem, uintptr_t at, const void *bytes, size_t n)
{
	return !n || sys4(SYS_pwrite64, mem, bytes, n, at) == (long)n;
}

/* An island may lie in what the window before it left over: whoever has jumped to it must find it. */
static bool stays(const struct plan *p, uint32_t i)
{
	return p->windows[i].how == PLAN_ISLAND || (i + 1 < p->nr_windows && p->windows[i + 1].how == PLAN_ISLAND);
}

bool undo_patches(struct patched *c)
{
	static const uint8_t trap = 0xcc;
	const struct plan *p = &c->plan;
	if (sys3(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0) != 0 || !everywhere())
		return false;
	long mem = sys4(SYS_openat, AT_FDCWD, "/proc/self/mem", O_WRONLY | O_CLOEXEC, 0);
	if (mem < 0)
		return false;
	atomic_store(&c->undone, true);
	bool ok = true;
	for (unsigned step = 0; ok && step < 3; step++) {
		for (uint32_t i = 0; ok && i < p->nr_windows; i++) {
			const struct plan_window *w = &p->windows[i];
			uintptr_t at = p->base + w->at;
			if (stays(p, i))
				continue;
			if (step == 0)
				ok = put(mem, at, &trap, 1);
			else
				ok = step == 1 ? put(mem, at + 1, w->patch + 1, w->len - 1u) : put(mem, at, w->patch, 1);
		}
		ok = everywhere() && ok;
	}
	sys1(SYS_close, mem);
	return ok; /* a write that fails later than the first leaves traps, which lead to the trampolines */
}
