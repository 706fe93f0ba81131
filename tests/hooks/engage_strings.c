/* engage_strings.c - What is redirected in watched code, alone and beside a second thread; hooks.test compares with a run without snarl. */
#include "show.h"
#include <setjmp.h>
#include <stdarg.h>
#include <strings.h>
#include <wchar.h>

/* The compiler must not know. */
static volatile size_t ten = 10, three = 3, none = 0;
static char *volatile nowhere = (char *)16, *volatile nobody = NULL;
static char to[64], from[64];
static wchar_t wide_to[32], wide_from[32];

static void fresh(const char *text)
{
	for (unsigned i = 0; i < sizeof to; i++)
		to[i] = from[i] = 0;
	for (unsigned i = 0; text[i]; i++)
		from[i] = text[i];
}

/* Which buffer, and where in it: addresses differ from run to run. */
static long at(const void *p)
{
	const char *c = p;
	return !c ? -1 : c >= to && c < to + sizeof to ? c - to : c >= from && c < from + sizeof from ? 100 + (c - from) : 1000;
}

#define SHOW_AT(call)                     \
	do {                              \
		SHOW(at((call)));         \
		say(to);                  \
	} while (0)

static void bytes(void)
{
	fresh("abcdefghij");
	SHOW_AT(memcpy(to, from, ten));
	SHOW_AT(memcpy(to + 1, from, none));
	SHOW_AT(memmove(to + 2, to, ten));
	SHOW_AT(mempcpy(to, from + 1, three));
	SHOW_AT(memset(to, 'x', ten));
	SHOW_AT((bzero(to + 5, three), to));
	SHOW_AT((explicit_bzero(to, ten), to));
	SHOW(memcmp(from, "abcdefghij", ten));
	SHOW(memcmp(from, "abcdefghix", ten) < 0);
	SHOW(memcmp(from, "x", none));
	SHOW(memcmp(from, "aaa", three) > 0);
	SHOW(bcmp(from, "abd", three) != 0);
	SHOW(at(memchr(from, 'c', ten)));
	SHOW(at(memchr(from, 'z', ten)));
	SHOW(at(memrchr(from, 'c', ten)));
	SHOW(at(memrchr(from, 'z', ten)));
}

static void strings(void)
{
	char *p;

	fresh("hello, you");
	SHOW(strlen(from));
	SHOW(strnlen(from, three));
	SHOW(strnlen(from, 64));
	SHOW_AT(strcpy(to, from));
	SHOW_AT(stpcpy(to, from + 5));
	SHOW_AT(strncpy(to, from, three));
	SHOW_AT(strncpy(to, "ab", ten));
	SHOW_AT(stpncpy(to, from, three));
	SHOW_AT(stpncpy(to, "ab", ten));
	SHOW_AT(strcat(to, from));
	SHOW_AT(strncat(to, from, three));
	SHOW(strcmp(from, "hello, you"));
	SHOW(strcmp(from, "hello, me") > 0);
	SHOW(strcmp("", from) < 0);
	SHOW(strncmp(from, "help", three));
	SHOW(strncmp(from, "help", ten) < 0);
	SHOW(strncmp(from, "x", none));
	SHOW(at(strchr(from, 'l')));
	SHOW(at(strchr(from, 'z')));
	SHOW(at(strchr(from, 0)));
	SHOW(at(strchrnul(from, 'z')));
	SHOW(at(strrchr(from, 'o')));
	SHOW(at(strrchr(from, 'z')));
	SHOW(at(strstr(from, "lo")));
	SHOW(at(strstr(from, "")));
	SHOW(at(strstr(from, "nothing")));
	SHOW((p = strdup(from)) != NULL);
	say(p);
	free(p);
	SHOW((p = strndup(from, three)) != NULL);
	say(p);
	free(p);
}

static void wide(void)
{
	for (int i = 0; i < 10; i++)
		wide_from[i] = i < 9 ? 0x3b1 + i : 0;
	SHOW(wcslen(wide_from));
	SHOW(wmemcpy(wide_to, wide_from, ten) == wide_to);
	SHOW(wcslen(wide_to));
	SHOW(wmemmove(wide_to + 1, wide_to, ten) == wide_to + 1);
	SHOW(wide_to[9]);
	SHOW(wmemset(wide_to, 7, three) == wide_to);
	SHOW(wide_to[0] + wide_to[2] + wide_to[3]);
	SHOW(wcscpy(wide_to, wide_from) == wide_to);
	SHOW(wcslen(wide_to));
}

static int by_list(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	int r = vsnprintf(to, ten, format, ap);
	va_end(ap);
	return r;
}

static void printed(void)
{
	fresh("");
	SHOW(snprintf(to, sizeof to, "%d %s %.3f %c %Lf", 42, "text", 2.718281, 'c', 1.5L));
	say(to);
	SHOW(snprintf(to, sizeof to, "%.0f%.0f%.0f%.0f%.0f%.0f%.0f%.0f%.0f", 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.5));
	say(to);
	SHOW(snprintf(nobody, none, "%s", from));
	SHOW(sprintf(to, "%g/%g %zu", 0.5, 1e10, ten));
	say(to);
	SHOW(by_list("%g and %d", 1.25, 7));
	say(to);
}

static sigjmp_buf out;
static void *fault_at;
static void faulted(int nr, siginfo_t *info, void *context)
{
	(void)nr;
	(void)context;
	fault_at = info->si_addr;
	siglongjmp(out, 1);
}

#define FAULTS(call)                             \
	do {                                     \
		fault_at = NULL;                 \
		if (!sigsetjmp(out, 1))          \
			call;                    \
		SHOW_AS(#call, (long)fault_at);  \
	} while (0)

/* As it would be without us; then everything works as before. */
static void faults(void)
{
	struct sigaction a = { .sa_sigaction = faulted, .sa_flags = SA_SIGINFO };
	sigaction(SIGSEGV, &a, NULL);
	FAULTS(memcpy(nowhere, from, three));
	FAULTS(strcpy(to, nowhere));
	FAULTS(memset(nowhere, 0, three));
	FAULTS((void)strlen(nowhere));
	SHOW(write(1, nowhere, three));
	signal(SIGSEGV, SIG_DFL);
}

static void all(void)
{
	bytes();
	strings();
	wide();
	printed();
	faults();
	strings();
}

static void *thread(void *arg)
{
	track = "second";
	all();
	return arg;
}

int main(void)
{
	all();
	in_other(thread);
	all();
	return 0;
}
