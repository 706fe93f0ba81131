/* watch_fde.h - Unwind information for code that a test makes up: the planner finds functions by nothing else. */
#ifndef TESTS_UNIT_WATCH_FDE_H
#define TESTS_UNIT_WATCH_FDE_H

#include <stdint.h>
#include <string.h>

static uint8_t *fde_put(uint8_t *p, const void *v, size_t n)
{
	memcpy(p, v, n);
	return p + n;
}

static uint8_t *fde_put32(uint8_t *p, int64_t v)
{
	return fde_put(p, &(int32_t){ (int32_t)v }, 4);
}

/* Writes .eh_frame_hdr and .eh_frame for functions [lo[i], hi[i]), ascending, at p. Returns the bytes of the header. */
static inline size_t fde_write(uint8_t *p, unsigned n, uintptr_t const *lo, uintptr_t const *hi)
{
	uint8_t *hdr = p, *table = p + 12, *cie = table + 8 * n;
	p = fde_put(p, "\x01\x1b\x03\x3b", 4); /* pcrel sdata4, udata4, datarel sdata4 */
	p = fde_put32(p, cie - p);
	fde_put32(p, (int64_t)n);
	uint8_t *at = fde_put32(cie, 20); /* length: what follows */
	at = fde_put(at, "\0\0\0\0\x01zR\0\x01\x78\x10\x01\x1b\x0c\x07\x08\x90\x01\0\0", 20);
	for (unsigned i = 0; i < n; i++) {
		uint8_t *fde = at;
		at = fde_put32(at, 16);
		at = fde_put32(at, at - cie);
		at = fde_put32(at, (int64_t)(lo[i] - (uintptr_t)at));
		at = fde_put32(at, (int64_t)(hi[i] - lo[i]));
		at = fde_put(at, "\0\0\0\0", 4);
		table = fde_put32(table, (int64_t)(lo[i] - (uintptr_t)hdr));
		table = fde_put32(table, fde - hdr);
	}
	fde_put32(at, 0);
	return 12 + 8 * (size_t)n;
}

#endif
