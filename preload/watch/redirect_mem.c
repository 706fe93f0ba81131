/* redirect_mem.c - Bytes and wide characters copied, filled and compared. */
#include "watch/redirect_access.h"

#include <string.h>
#include <strings.h>
#include <wchar.h>

/* No header declares what -D_FORTIFY_SOURCE makes of them. source: glibc 2.36, debug/. */
void *__memcpy_chk(void *to, const void *from, size_t n, size_t room);
void *__memmove_chk(void *to, const void *from, size_t n, size_t room);
void *__mempcpy_chk(void *to, const void *from, size_t n, size_t room);
void *__memset_chk(void *to, int byte, size_t n, size_t room);

/* memcpy of old programs (GLIBC_2.2.5) is memmove: so is ours. */
REDIRECT(void *, memcpy, (void *to, const void *from, size_t n))
{
	struct toucher c = TOUCHER();
	READS(from, n);
	WRITES(to, n);
	return memmove(to, from, n);
}

REDIRECT(void *, memmove, (void *to, const void *from, size_t n))
{
	struct toucher c = TOUCHER();
	READS(from, n);
	WRITES(to, n);
	return memmove(to, from, n);
}

REDIRECT(void *, mempcpy, (void *to, const void *from, size_t n))
{
	struct toucher c = TOUCHER();
	READS(from, n);
	WRITES(to, n);
	return mempcpy(to, from, n);
}

REDIRECT(void *, memset, (void *to, int byte, size_t n))
{
	struct toucher c = TOUCHER();
	WRITES(to, n);
	return memset(to, byte, n);
}

REDIRECT(void, bzero, (void *to, size_t n))
{
	struct toucher c = TOUCHER();
	WRITES(to, n);
	memset(to, 0, n);
}

REDIRECT(void, explicit_bzero, (void *to, size_t n))
{
	struct toucher c = TOUCHER();
	WRITES(to, n);
	explicit_bzero(to, n);
}

/* One that overflows is stopped by the real function before it touches anything. */
REDIRECT(void *, __memcpy_chk, (void *to, const void *from, size_t n, size_t room))
{
	struct toucher c = TOUCHER();
	READS(from, n <= room ? n : 0);
	WRITES(to, n <= room ? n : 0);
	return __memcpy_chk(to, from, n, room);
}

REDIRECT(void *, __memmove_chk, (void *to, const void *from, size_t n, size_t room))
{
	struct toucher c = TOUCHER();
	READS(from, n <= room ? n : 0);
	WRITES(to, n <= room ? n : 0);
	return __memmove_chk(to, from, n, room);
}

REDIRECT(void *, __mempcpy_chk, (void *to, const void *from, size_t n, size_t room))
{
	struct toucher c = TOUCHER();
	READS(from, n <= room ? n : 0);
	WRITES(to, n <= room ? n : 0);
	return __mempcpy_chk(to, from, n, room);
}

REDIRECT(void *, __memset_chk, (void *to, int byte, size_t n, size_t room))
{
	struct toucher c = TOUCHER();
	WRITES(to, n <= room ? n : 0);
	return __memset_chk(to, byte, n, room);
}

/* As far as the first difference, that byte too. */
static size_t compared(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;
	size_t i = 0;
	while (i < n && x[i] == y[i])
		i++;
	return i < n ? i + 1 : n;
}

REDIRECT(int, memcmp, (const void *a, const void *b, size_t n))
{
	struct toucher c = TOUCHER();
	int r = memcmp(a, b, n);
	size_t k = !c.t ? 0 : r ? compared(a, b, n) : n;
	READS(a, k);
	READS(b, k);
	return r;
}

REDIRECT(int, bcmp, (const void *a, const void *b, size_t n))
{
	struct toucher c = TOUCHER();
	int r = memcmp(a, b, n);
	size_t k = !c.t ? 0 : r ? compared(a, b, n) : n;
	READS(a, k);
	READS(b, k);
	return r;
}

REDIRECT(void *, memchr, (const void *p, int byte, size_t n))
{
	struct toucher c = TOUCHER();
	char *at = memchr(p, byte, n);
	READS(p, at ? (size_t)(at - (const char *)p) + 1 : n);
	return at;
}

REDIRECT(void *, memrchr, (const void *p, int byte, size_t n))
{
	struct toucher c = TOUCHER();
	const char *at = memrchr(p, byte, n);
	READS(at ? at : p, at ? n - (size_t)(at - (const char *)p) : n);
	return (void *)(uintptr_t)at;
}

/* ---- wide characters ------------------------------------------------------------------------------------------------ */

#define WIDE sizeof(wchar_t)

REDIRECT(wchar_t *, wmemcpy, (wchar_t *to, const wchar_t *from, size_t n))
{
	struct toucher c = TOUCHER();
	READS(from, n * WIDE);
	WRITES(to, n * WIDE);
	return wmemmove(to, from, n);
}

REDIRECT(wchar_t *, wmemmove, (wchar_t *to, const wchar_t *from, size_t n))
{
	struct toucher c = TOUCHER();
	READS(from, n * WIDE);
	WRITES(to, n * WIDE);
	return wmemmove(to, from, n);
}

REDIRECT(wchar_t *, wmemset, (wchar_t *to, wchar_t with, size_t n))
{
	struct toucher c = TOUCHER();
	WRITES(to, n * WIDE);
	return wmemset(to, with, n);
}

REDIRECT(size_t, wcslen, (const wchar_t *s))
{
	struct toucher c = TOUCHER();
	size_t n = wcslen(s);
	READS(s, (n + 1) * WIDE);
	return n;
}

REDIRECT(wchar_t *, wcscpy, (wchar_t *to, const wchar_t *from))
{
	struct toucher c = TOUCHER();
	size_t n = c.t ? wcslen(from) + 1 : 0;
	READS(from, n * WIDE);
	WRITES(to, n * WIDE);
	return wcscpy(to, from);
}
