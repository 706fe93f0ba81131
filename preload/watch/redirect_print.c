/* redirect_print.c - Text printed into memory: the buffer, as far as it was written. What %s reads is not seen. */
#include "watch/redirect_access.h"

#include <stdarg.h>
#include <stdio.h>

/* No header declares what -D_FORTIFY_SOURCE makes of them. source: glibc 2.36, debug/. */
int __snprintf_chk(char *p, size_t n, int flag, size_t room, const char *format, ...);
int __vsnprintf_chk(char *p, size_t n, int flag, size_t room, const char *format, va_list ap);
int __sprintf_chk(char *p, int flag, size_t room, const char *format, ...);
int __vsprintf_chk(char *p, int flag, size_t room, const char *format, va_list ap);

static int wrote(const struct toucher *c, const char *p, size_t n, int r)
{
	if (r >= 0 && n)
		touch(c, p, (size_t)r < n ? (size_t)r + 1 : n, true);
	return r;
}

#define PRINTS(call, p, n)                                                                                           \
	struct toucher c = TOUCHER();                                                                                \
	va_list ap;                                                                                                  \
	va_start(ap, format);                                                                                        \
	int r = call;                                                                                                \
	va_end(ap);                                                                                                  \
	return wrote(&c, p, n, r)

#pragma GCC diagnostic ignored "-Wformat-nonliteral"

REDIRECT(int, snprintf, (char *restrict p, size_t n, const char *restrict format, ...)) { PRINTS(vsnprintf(p, n, format, ap), p, n); }
REDIRECT(int, sprintf, (char *restrict p, const char *restrict format, ...)) { PRINTS(vsprintf(p, format, ap), p, SIZE_MAX); }

REDIRECT(int, __snprintf_chk, (char *p, size_t n, int flag, size_t room, const char *format, ...))
{
	PRINTS(__vsnprintf_chk(p, n, flag, room, format, ap), p, n);
}

REDIRECT(int, __sprintf_chk, (char *p, int flag, size_t room, const char *format, ...))
{
	PRINTS(__vsprintf_chk(p, flag, room, format, ap), p, SIZE_MAX);
}

REDIRECT(int, vsnprintf, (char *restrict p, size_t n, const char *restrict format, va_list ap))
{
	struct toucher c = TOUCHER();
	return wrote(&c, p, n, vsnprintf(p, n, format, ap));
}

REDIRECT(int, __vsnprintf_chk, (char *p, size_t n, int flag, size_t room, const char *format, va_list ap))
{
	struct toucher c = TOUCHER();
	return wrote(&c, p, n, __vsnprintf_chk(p, n, flag, room, format, ap));
}
