/* outside.c - See outside.h. */
#include "watch/outside.h"

#include <string.h>

#define MAX_TEXT (4ul << 20) /* a tenth of a second to decode */

/* What may follow a `lock` prefix: an instruction that can carry one. Other bytes that look so cost a look in vain. */
static bool locks(const uint8_t *p)
{
	static const uint8_t plain[] = { 0x00, 0x01, 0x08, 0x09, 0x10, 0x11, 0x18, 0x19, 0x20, 0x21, 0x28, 0x29, 0x30,
					 0x31, 0x80, 0x81, 0x83, 0x86, 0x87, 0xf6, 0xf7, 0xfe, 0xff };
	static const uint8_t after_0f[] = { 0xab, 0xb0, 0xb1, 0xb3, 0xba, 0xbb, 0xc0, 0xc1, 0xc7 };
	p++;
	if ((*p & 0xf0) == 0x40) /* REX */
		p++;
	return *p == 0x0f ? memchr(after_0f, p[1], sizeof after_0f) != NULL : memchr(plain, *p, sizeof plain) != NULL;
}

static bool has_locks(uintptr_t lo, uintptr_t hi)
{
	for (const uint8_t *p = (const uint8_t *)lo; (uintptr_t)p + 4 < hi; p++) {
		p = memchr(p, 0xf0, hi - 4 - (uintptr_t)p);
		if (!p)
			return false;
		if (locks(p))
			return true;
	}
	return false;
}

bool outside_wanted(const char *name, const struct view *v)
{
	/* The unwinder; allocators, whose locks everybody takes for nothing but memory; interpreters; big ones that keep to themselves. */
	static const char *const own[] = { "libgcc_s", "libjemalloc", "libtcmalloc", "libmimalloc", "libunwind", "libpython3", "python3", "libcrypto.", "libssl.", "libicu" };
	size_t bytes = 0;
	bool found = false;
	for (unsigned i = 0; i < sizeof own / sizeof *own; i++)
		if (strncmp(name, own[i], strlen(own[i])) == 0)
			return false;
	for (unsigned i = 0; i < v->v.nr_text; i++)
		bytes += v->text[i].hi - v->text[i].lo;
	for (unsigned i = 0; i < v->v.nr_text && bytes <= MAX_TEXT && !found; i++)
		found = has_locks(v->text[i].lo, v->text[i].hi);
	return found;
}

bool outside_private(const char *name) { return strncmp(name, "libstdc++.", 10) == 0; }
