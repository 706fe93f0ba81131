/* redirect_access.c - See redirect_access.h. */
#include "watch/redirect_access.h"

#include <string.h>

#define CHUNK      4096u
#define LONG_RANGE ((size_t)8 << 20)

/* The tags of a stretch that lies in one window; 0: no plane there. */
static const uint8_t *tags_of(const struct watch_thread *w, uintptr_t addr, unsigned bytes)
{
	return (const uint8_t *)plane_of(w->plane, addr, bytes);
}

typedef uint64_t lanes __attribute__((vector_size(16)));
struct __attribute__((packed, may_alias)) wide {
	lanes v[2];
};

static bool is_known(const uint8_t *tag, unsigned bytes, uint64_t want, uint64_t ones)
{
	uint64_t differs = 0, v;
	unsigned i = 0;
	if (bytes >= sizeof(struct wide)) {
		lanes a = { 0 }, b = a, o = { ones, ones }, w = { want, want };
		for (; i + sizeof(struct wide) <= bytes; i += sizeof(struct wide)) {
			const struct wide *x = (const struct wide *)(const void *)(tag + i);
			a |= (x->v[0] | o) ^ w;
			b |= (x->v[1] | o) ^ w;
		}
		a |= b;
		differs = a[0] | a[1];
	}
	for (; i + 8 <= bytes; i += 8) {
		memcpy(&v, tag + i, 8);
		differs |= (v | ones) ^ want;
	}
	for (; i < bytes; i++)
		differs |= (uint8_t)((tag[i] | (uint8_t)ones) ^ (uint8_t)want);
	return !differs;
}

/* Everything there has been checked already, as far as the same epoch goes. */
static bool known(const struct watch_thread *w, uintptr_t addr, size_t bytes, bool write)
{
	uint64_t want = race_tls.write_tag, ones = write ? 0 : 0x0101010101010101ull;
	while (bytes) {
		unsigned n = bytes < CHUNK ? (unsigned)bytes : CHUNK;
		const uint8_t *tag = tags_of(w, addr, n);
		if (!tag || !is_known(tag, n, want, ones))
			return false;
		addr += n;
		bytes -= n;
	}
	return true;
}

/* A read leaves the thread's own write standing, which covers it. */
static void tag(const struct watch_thread *w, uintptr_t addr, size_t bytes, bool write)
{
	uint8_t wrote = *(volatile uint8_t *)&race_tls.write_tag;
	while (bytes && wrote != 0xff) { /* else taken back by another thread just now */
		unsigned n = bytes < CHUNK ? (unsigned)bytes : CHUNK;
		volatile uint8_t *at = (volatile uint8_t *)(uintptr_t)tags_of(w, addr, n);
		if (at && write)
			memset((void *)(uintptr_t)at, wrote, n);
		for (unsigned i = 0; at && !write && i < n; i++)
			if (at[i] != wrote)
				at[i] = wrote & 0xfe;
		addr += n;
		bytes -= n;
	}
}

void touch_slow(const struct toucher *c, uintptr_t addr, size_t bytes, bool write)
{
	struct watch_thread *w = watch_tls.self;
	if (unlikely(bytes > 2 * LONG_RANGE)) { /* what four times its memory would be spent on: its ends only */
		touch_slow(c, addr + bytes - LONG_RANGE, LONG_RANGE, write);
		bytes = LONG_RANGE;
	}
	if (w && known(w, addr, bytes, write))
		return;
	uint32_t stack = site_stack(c->t, c->site);
	gate_shut();
	if (access_seen(c->t, addr, bytes, write, stack) && w)
		tag(w, addr, bytes, write);
	gate_open();
}
