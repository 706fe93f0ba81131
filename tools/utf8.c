#include "utf8.h"

#include <string.h>

size_t utf8_next(const char *text, size_t len, int32_t *code)
{
	const unsigned char *p = (const unsigned char *)text;
	static const int32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
	*code = -1;
	if (n == 0 || n > len)
		return 1;
	int32_t c = n == 1 ? p[0] : p[0] & (0x7f >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 1;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 1;
	*code = c;
	return n;
}

bool utf8_valid(const char *text, size_t len)
{
	for (size_t at = 0; at < len;) {
		int32_t c;
		at += utf8_next(text + at, len - at, &c);
		if (c < 0)
			return false;
	}
	return true;
}

size_t utf8_repair(char *out, const char *text, size_t len)
{
	size_t n = 0;
	for (size_t at = 0; at < len;) {
		int32_t c;
		size_t step = utf8_next(text + at, len - at, &c);
		if (c < 0) {
			memcpy(out + n, "\xef\xbf\xbd", 3);
			n += 3;
		} else {
			memcpy(out + n, text + at, step);
			n += step;
		}
		at += step;
	}
	out[n] = '\0';
	return n;
}

bool utf8_unprintable(int32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200e && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

struct range {
	int32_t first, last;
};

static bool in_any(const struct range *r, size_t nr, int32_t c)
{
	for (size_t i = 0; i < nr; i++)
		if (c >= r[i].first && c <= r[i].last)
			return true;
	return false;
}

/* By table, not by wcwidth: the reporter runs in whatever locale the program has, mostly "C". */
static int columns(int32_t c)
{
	static const struct range none[] = { { 0x300, 0x36f },   { 0x483, 0x489 },   { 0x591, 0x5bd },
					     { 0x610, 0x61a },   { 0x64b, 0x65f },   { 0x1ab0, 0x1aff },
					     { 0x1dc0, 0x1dff }, { 0x200b, 0x200d }, { 0x20d0, 0x20ff },
					     { 0xfe00, 0xfe0f }, { 0xfe20, 0xfe2f } };
	static const struct range wide[] = { { 0x1100, 0x115f },   { 0x2e80, 0x303e },   { 0x3041, 0x33ff },
					     { 0x3400, 0x4dbf },   { 0x4e00, 0x9fff },   { 0xa000, 0xa4cf },
					     { 0xac00, 0xd7a3 },   { 0xf900, 0xfaff },   { 0xfe30, 0xfe4f },
					     { 0xff00, 0xff60 },   { 0xffe0, 0xffe6 },   { 0x1f300, 0x1f64f },
					     { 0x1f680, 0x1f6ff }, { 0x1f900, 0x1f9ff }, { 0x20000, 0x3fffd } };
	if (in_any(none, sizeof none / sizeof *none, c))
		return 0;
	return in_any(wide, sizeof wide / sizeof *wide, c) ? 2 : 1;
}

size_t utf8_width(const char *text)
{
	size_t width = 0, len = strlen(text);
	for (size_t at = 0; at < len;) {
		int32_t c;
		at += utf8_next(text + at, len - at, &c);
		width += c < 0 ? 1 : (size_t)columns(c);
	}
	return width;
}
