#include "out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "mem.h"
#include "utf8.h"

void out_init(struct out *o, int fd)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
	memset(o, 0, sizeof *o);
	o->fd = fd;
	o->columns = 100;
	if (!isatty(fd))
		return;
	o->colour = !(no && *no) && term && strcmp(term, "dumb") != 0;
	struct winsize w;
	if (ioctl(fd, TIOCGWINSZ, &w) == 0 && w.ws_col >= 40)
		o->columns = w.ws_col;
}

void out_free(struct out *o)
{
	free(o->text);
	o->text = NULL;
	o->len = o->cap = 0;
}

static void add(struct out *o, const char *text, size_t len)
{
	while (o->cap < o->len + len + 1)
		o->text = mem_grow(o->text, &o->cap, 1);
	memcpy(o->text + o->len, text, len);
	o->len += len;
	o->text[o->len] = '\0';
}

static void add_safe(struct out *o, const char *text, size_t len)
{
	for (size_t at = 0; at < len;) {
		int32_t c;
		char hex[16];
		size_t n = utf8_next(text + at, len - at, &c);
		if (c < 0)
			add(o, "\xef\xbf\xbd", 3);
		else if (c != '\n' && utf8_unprintable(c))
			add(o, hex, (size_t)snprintf(hex, sizeof hex, c < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned)c));
		else
			add(o, text + at, n);
		at += n;
	}
}

void out_put(struct out *o, enum out_style style, const char *format, ...)
{
	static const char *const codes[] = {
		[OUT_PLAIN] = "",           [OUT_BOLD] = "\033[1m",    [OUT_DIM] = "\033[2m",
		[OUT_ALARM] = "\033[1;31m", [OUT_LOCK] = "\033[1;33m", [OUT_PLACE] = "\033[36m",
		[OUT_GOOD] = "\033[32m",
	};
	char fixed[512], *text = fixed;
	va_list ap, again;
	va_start(ap, format);
	va_copy(again, ap);
	int n = vsnprintf(fixed, sizeof fixed, format, ap);
	if (n >= (int)sizeof fixed) {
		text = mem_alloc((size_t)n + 1);
		vsnprintf(text, (size_t)n + 1, format, again);
	}
	va_end(again);
	va_end(ap);
	bool dress = o->colour && style != OUT_PLAIN && n > 0;
	if (dress)
		add(o, codes[style], strlen(codes[style]));
	if (n > 0)
		add_safe(o, text, (size_t)n);
	if (dress)
		add(o, "\033[0m", 4);
	if (text != fixed)
		free(text);
}

/* Columns of the current line, colours not counted. */
static size_t column_now(const struct out *o)
{
	size_t from = o->len, width = 0;
	while (from > 0 && o->text[from - 1] != '\n')
		from--;
	for (const char *p = o->text + from; *p;) {
		size_t n = strcspn(p, "\033");
		char *part = strndup(p, n);
		width += part ? utf8_width(part) : n;
		free(part);
		p += n;
		if (*p)
			p += strcspn(p, "m") + (p[strcspn(p, "m")] != '\0');
	}
	return width;
}

void out_column(struct out *o, size_t column)
{
	size_t now = o->len ? column_now(o) : 0;
	do
		add(o, " ", 1);
	while (++now < column);
}

bool out_flush(struct out *o)
{
	size_t done = 0;
	while (done < o->len) {
		ssize_t n = write(o->fd, o->text + done, o->len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	bool ok = done == o->len;
	o->len = 0;
	return ok;
}
