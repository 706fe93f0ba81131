/* patched.c - See patched.h. */
#include "watch/patched.h"

#include "base/arena.h"
#include "base/sys.h"
#include "watch/check.h"
#include "watch/patch.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>

#define MAX 4096u

static struct patched *_Atomic codes[MAX];
static _Atomic uint32_t nr;

/* Those who are looking something up at the moment. */
static _Atomic uint32_t inside;

void patched_enter(void)
{
	atomic_fetch_add(&inside, 1);
}

void patched_leave(void)
{
	atomic_fetch_sub(&inside, 1);
}

void patched_fork_child(void)
{
	atomic_store(&inside, 0);
}

/* Whoever comes in after `gone` was set does not find it any more; when nobody is in, nobody has it still. */
static void give_back(void)
{
	for (uint32_t i = atomic_load(&nr); i--;) {
		struct patched *c = atomic_load(&codes[i]);
		if (!c || !atomic_load(&c->gone))
			continue;
		if (atomic_load(&inside))
			return;
		atomic_store(&codes[i], NULL);
		plan_free(&c->plan);
		arena_free(c);
	}
}

struct patched *patched_add(const struct module *m, uintptr_t arena, size_t bytes, uintptr_t lo, uintptr_t hi,
			    const struct plan *plan)
{
	give_back();
	uint32_t n = 0, end = atomic_load(&nr);
	while (n < end && atomic_load(&codes[n]))
		n++;
	struct patched *c = n < MAX ? arena_malloc(sizeof *c) : NULL;
	if (!c)
		return NULL;
	*c = (struct patched){
		.module = m, .arena = arena, .arena_hi = arena + bytes, .text_lo = lo, .text_hi = hi, .plan = *plan
	};
	atomic_store(&codes[n], c);
	if (n == end)
		atomic_store(&nr, n + 1);
	return c;
}

void patched_drop(struct patched *c)
{
	if (!atomic_exchange(&c->gone, true))
		patch_room_free(c->arena, c->arena_hi - c->arena);
}

uint32_t patched_count(void)
{
	return atomic_load_explicit(&nr, memory_order_acquire);
}

struct patched *patched_by_index(uint32_t i)
{
	struct patched *c = atomic_load_explicit(&codes[i], memory_order_relaxed);
	return c && !atomic_load_explicit(&c->gone, memory_order_relaxed) ? c : NULL;
}

const struct patched *patched_find(uintptr_t ip)
{
	for (uint32_t i = patched_count(); i--;) {
		const struct patched *c = patched_by_index(i);
		if (c && ip - c->arena < c->arena_hi - c->arena)
			return c;
	}
	return NULL;
}

static const struct patched *by_text(uintptr_t ip)
{
	for (uint32_t i = patched_count(); i--;) {
		const struct patched *c = patched_by_index(i);
		if (c && ip - c->text_lo < c->text_hi - c->text_lo)
			return c;
	}
	return NULL;
}

/* Sites come in the order of their code: how many checks begin at or before this offset. */
static uint32_t sites_before(const struct patched *c, uint32_t off)
{
	const struct watch_site *s = (const struct watch_site *)(c->arena + c->plan.sites_at);
	uint32_t lo = 0, hi = c->plan.nr_sites;
	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;
		if (s[mid].check <= off)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

uintptr_t patched_stub_of(const struct patched *c, uintptr_t ip)
{
	const struct watch_site *s = (const struct watch_site *)(c->arena + c->plan.sites_at);
	uint32_t off = (uint32_t)(ip - c->arena), n = sites_before(c, off);
	if (!n)
		return 0;
	const struct watch_way *w = &c->plan.ways[n - 1];
	return s[n - 1].flags & (SITE_SYNC | SITE_REP) || off >= w->resume ? 0 : c->arena + w->stub;
}

/* The site whose stub this is, or whose call stands in line here; NULL: neither. */
static const struct watch_site *stub_at(const struct patched *c, uint32_t off)
{
	const struct plan_moved *m = plan_moved_to(&c->plan, off);
	const struct watch_site *s = (const struct watch_site *)(c->arena + c->plan.sites_at);
	for (uint32_t n = sites_before(c, off), tries = 0; m && n-- && tries < WINDOW_ACCESSES; tries++) {
		const struct watch_way *w = &c->plan.ways[n];
		if (w->stub > off)
			continue;
		if (w->stub < w->resume && off < w->resume)
			return &s[n]; /* in line */
		/* The stubs stand behind their window, in the order of its checks. */
		if (w->stub > w->resume)
			return w->stub >= m->to ? &s[n] : NULL;
	}
	return NULL;
}

/* Where in a stub (emit_call in check.c). */
static unsigned below(const struct patched *c, uint32_t off, uint32_t stub)
{
	static const uint8_t up[] = { 0x48, 0x8d, 0xa4, 0x24, 0x80, 0, 0, 0 }; /* lea 128(%rsp),%rsp; before it the two pops */
	const uint8_t *ip = (const uint8_t *)c->arena + off;
	switch (off - stub) {
	case 0:
		return 0;
	case 5: /* behind lea -128(%rsp),%rsp */
		return 128;
	case 6:
		return 136;
	case 7:
		return 144;
	}
	if (memcmp(ip, up, sizeof up) == 0)
		return 128;
	if (*ip == 0x5f && memcmp(ip + 1, up, sizeof up) == 0)
		return 136;
	return *ip == 0xe9 && memcmp(ip - sizeof up, up, sizeof up) == 0 ? 0 : 144;
}

/* Between the instructions that a call was made of (emit_call_from in emit.c)? */
static bool in_call(const struct patched *c, uint32_t off)
{
	static const uint8_t call[] = { 0x48, 0x8d, 0x64, 0x24, 0xf8, 0xc7, 0x04, 0x24 }, steps[] = { 5, 12, 20 };
	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++)
		if (off >= steps[i] && memcmp((const uint8_t *)c->arena + off - steps[i], call, sizeof call) == 0)
			return true;
	return false;
}

uintptr_t patched_place(const struct patched *c, uintptr_t ip, unsigned *stack_below)
{
	uint32_t off = (uint32_t)(ip - c->arena);
	const struct watch_site *s = stub_at(c, off);
	*stack_below = s ? below(c, off, c->plan.ways[s - (const struct watch_site *)(c->arena + c->plan.sites_at)].stub)
			 : in_call(c, off) ? 8 : 0;
	const struct plan_moved *m = plan_moved_to(&c->plan, s ? s->check : off);
	return m ? c->plan.base + m->from : 0;
}

uintptr_t patched_moved(uintptr_t ip)
{
	const struct patched *c = by_text(ip);
	if (!c)
		return 0;
	const struct plan_window *w = plan_window_at(&c->plan, ip);
	uintptr_t at = w ? c->plan.base + w->at : 0;
	if (!w || ip <= at || ip >= at + w->len)
		return 0;
	const struct plan_moved *m = plan_moved_from(&c->plan, ip);
	return m && c->plan.base + m->from == ip ? c->arena + m->to : 0;
}

uintptr_t patched_trap(uintptr_t ip)
{
	const struct patched *c = by_text(ip);
	const struct plan_window *w = c ? plan_window_at(&c->plan, ip) : NULL;
	return w && (w->how == PLAN_INT3 || atomic_load(&c->undone)) && c->plan.base + w->at == ip ? c->arena + w->to : 0;
}

bool patched_untrap(uintptr_t ip)
{
	const struct patched *c = by_text(ip);
	const struct plan_window *w = c ? plan_window_at(&c->plan, ip) : NULL;
	if (!w || w->how != PLAN_INT3 || c->plan.base + w->at != ip)
		return false;
	/* One byte, so that whoever runs there finds the trap or the instruction. This file writes where mprotect would have to
	 * take the right to execute away for a moment. */
	long fd = sys4(SYS_openat, AT_FDCWD, "/proc/self/mem", O_WRONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	bool ok = sys4(SYS_pwrite64, fd, w->patch, 1, ip) == 1;
	sys1(SYS_close, fd);
	return ok;
}

size_t patched_original(uintptr_t ip, uint8_t *out, size_t cap)
{
	const struct patched *c = by_text(ip);
	if (!c)
		return 0;
	size_t n = c->text_hi - ip < cap ? c->text_hi - ip : cap;
	memcpy(out, (const void *)ip, n);
	/* The last window that begins before the end, and those before it that reach in. */
	uint32_t lo = 0, hi = c->plan.nr_windows, end = (uint32_t)(ip + n - c->plan.base), from = (uint32_t)(ip - c->plan.base);
	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;
		if (c->plan.windows[mid].at < end)
			lo = mid + 1;
		else
			hi = mid;
	}
	while (lo-- && c->plan.windows[lo].at + 16 > from) {
		const struct plan_window *w = &c->plan.windows[lo];
		for (uint32_t i = 0; i < w->len; i++)
			if (w->at + i >= from && w->at + i < end)
				out[w->at + i - from] = w->patch[i]; /* exchanged when it was put in place */
	}
	return n;
}
