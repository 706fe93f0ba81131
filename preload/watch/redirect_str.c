/* redirect_str.c - Strings measured, copied, joined, compared and searched: to the byte that ends them, that one too. */
#include "watch/redirect_access.h"

#include <string.h>

/* No header declares what -D_FORTIFY_SOURCE makes of them. source: glibc 2.36, debug/. */
char *__strcpy_chk(char *to, const char *from, size_t room);
char *__stpcpy_chk(char *to, const char *from, size_t room);
char *__strncpy_chk(char *to, const char *from, size_t n, size_t room);
char *__stpncpy_chk(char *to, const char *from, size_t n, size_t room);
char *__strcat_chk(char *to, const char *from, size_t room);
char *__strncat_chk(char *to, const char *from, size_t n, size_t room);

/* Bytes of s that are read when at most n are. */
static size_t up_to(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	return len < n ? len + 1 : n;
}

REDIRECT(size_t, strlen, (const char *s))
{
	struct toucher c = TOUCHER();
	size_t n = strlen(s);
	READS(s, n + 1);
	return n;
}

REDIRECT(size_t, strnlen, (const char *s, size_t n))
{
	struct toucher c = TOUCHER();
	size_t len = strnlen(s, n);
	READS(s, len < n ? len + 1 : n);
	return len;
}

#define COPIES                                                                                                       \
	size_t k_ = c.t ? strlen(from) + 1 : 0;                                                                      \
	READS(from, k_);                                                                                             \
	WRITES(to, k_)
#define COPIES_N                                                                                                     \
	READS(from, c.t ? up_to(from, n) : 0);                                                                       \
	WRITES(to, n)

REDIRECT(char *, strcpy, (char *to, const char *from))
{
	struct toucher c = TOUCHER();
	COPIES;
	return strcpy(to, from);
}

REDIRECT(char *, stpcpy, (char *to, const char *from))
{
	struct toucher c = TOUCHER();
	COPIES;
	return stpcpy(to, from);
}

REDIRECT(char *, __strcpy_chk, (char *to, const char *from, size_t room))
{
	struct toucher c = TOUCHER();
	COPIES;
	return __strcpy_chk(to, from, room);
}

REDIRECT(char *, __stpcpy_chk, (char *to, const char *from, size_t room))
{
	struct toucher c = TOUCHER();
	COPIES;
	return __stpcpy_chk(to, from, room);
}

REDIRECT(char *, strncpy, (char *to, const char *from, size_t n))
{
	struct toucher c = TOUCHER();
	COPIES_N;
	return strncpy(to, from, n);
}

REDIRECT(char *, stpncpy, (char *to, const char *from, size_t n))
{
	struct toucher c = TOUCHER();
	COPIES_N;
	return stpncpy(to, from, n);
}

REDIRECT(char *, __strncpy_chk, (char *to, const char *from, size_t n, size_t room))
{
	struct toucher c = TOUCHER();
	COPIES_N;
	return __strncpy_chk(to, from, n, room);
}

REDIRECT(char *, __stpncpy_chk, (char *to, const char *from, size_t n, size_t room))
{
	struct toucher c = TOUCHER();
	COPIES_N;
	return __stpncpy_chk(to, from, n, room);
}

/* The end of the first is found, then overwritten. */
static void joins(const struct toucher *t, char *to, const char *from, size_t n)
{
	struct toucher c = *t;
	if (!c.t)
		return;
	size_t had = strlen(to), more = strnlen(from, n);
	READS(to, had + 1);
	READS(from, more < n ? more + 1 : n);
	WRITES(to + had, more + 1);
}

REDIRECT(char *, strcat, (char *to, const char *from))
{
	struct toucher c = TOUCHER();
	joins(&c, to, from, SIZE_MAX);
	return strcat(to, from);
}

REDIRECT(char *, strncat, (char *to, const char *from, size_t n))
{
	struct toucher c = TOUCHER();
	joins(&c, to, from, n);
	return strncat(to, from, n);
}

REDIRECT(char *, __strcat_chk, (char *to, const char *from, size_t room))
{
	struct toucher c = TOUCHER();
	joins(&c, to, from, SIZE_MAX);
	return __strcat_chk(to, from, room);
}

REDIRECT(char *, __strncat_chk, (char *to, const char *from, size_t n, size_t room))
{
	struct toucher c = TOUCHER();
	joins(&c, to, from, n);
	return __strncat_chk(to, from, n, room);
}

/* As far as the first difference or the end, that byte too. */
static void compares(const struct toucher *t, const char *a, const char *b, size_t n)
{
	struct toucher c = *t;
	size_t i = 0;
	if (!c.t)
		return;
	while (i < n && a[i] == b[i] && a[i])
		i++;
	READS(a, i < n ? i + 1 : n);
	READS(b, i < n ? i + 1 : n);
}

REDIRECT(int, strcmp, (const char *a, const char *b))
{
	struct toucher c = TOUCHER();
	compares(&c, a, b, SIZE_MAX);
	return strcmp(a, b);
}

REDIRECT(int, strncmp, (const char *a, const char *b, size_t n))
{
	struct toucher c = TOUCHER();
	compares(&c, a, b, n);
	return strncmp(a, b, n);
}

REDIRECT(char *, strchr, (const char *s, int byte))
{
	struct toucher c = TOUCHER();
	char *at = strchr(s, byte);
	READS(s, !c.t ? 0 : at ? (size_t)(at - s) + 1 : strlen(s) + 1);
	return at;
}

REDIRECT(char *, strchrnul, (const char *s, int byte))
{
	struct toucher c = TOUCHER();
	char *at = strchrnul(s, byte);
	READS(s, (size_t)(at - s) + 1);
	return at;
}

REDIRECT(char *, strrchr, (const char *s, int byte))
{
	struct toucher c = TOUCHER();
	READS(s, c.t ? strlen(s) + 1 : 0);
	return strrchr(s, byte);
}

REDIRECT(char *, strstr, (const char *s, const char *what))
{
	struct toucher c = TOUCHER();
	char *at = strstr(s, what);
	size_t n = c.t ? strlen(what) : 0;
	READS(what, n + 1);
	READS(s, !c.t ? 0 : at ? (size_t)(at - s) + n : strlen(s) + 1);
	return at;
}

/* Nobody else knows the new block yet: what is written to it is the caller's own. */
REDIRECT(char *, strdup, (const char *s))
{
	struct toucher c = TOUCHER();
	size_t n = c.t ? strlen(s) + 1 : 0;
	READS(s, n);
	char *to = strdup(s);
	WRITES(to, to ? n : 0);
	return to;
}

REDIRECT(char *, strndup, (const char *s, size_t n))
{
	struct toucher c = TOUCHER();
	READS(s, c.t ? up_to(s, n) : 0);
	char *to = strndup(s, n);
	WRITES(to, to && c.t ? strlen(to) + 1 : 0);
	return to;
}
