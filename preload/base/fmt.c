/* fmt.c - See fmt.h. */
#include "base/fmt.h"

#include <string.h>

void fmt_mem(struct fmt *f, const char *s, size_t len)
{
	if (f->cut)
		return;
	size_t room = f->cap - f->len;
	if (len > room) {
		len = room;
		f->cut = true;
	}
	if (len)
		memcpy(f->buf + f->len, s, len);
	f->len += len;
}

void fmt_c(struct fmt *f, char c)
{
	if (f->cut)
		return;
	if (f->len == f->cap) {
		f->cut = true;
		return;
	}
	f->buf[f->len++] = c;
}

void fmt_str(struct fmt *f, const char *s)
{
	fmt_mem(f, s, strlen(s));
}

void fmt_u64(struct fmt *f, uint64_t v)
{
	char digits[20];
	size_t at = sizeof digits;
	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	fmt_mem(f, digits + at, sizeof digits - at);
}

void fmt_i64(struct fmt *f, int64_t v)
{
	if (v < 0)
		fmt_c(f, '-');
	fmt_u64(f, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void fmt_hex_pad(struct fmt *f, uint64_t v, unsigned digits)
{
	char text[16];
	size_t at = sizeof text;
	if (digits > sizeof text)
		digits = sizeof text;
	while (v || sizeof text - at < digits) {
		text[--at] = "0123456789abcdef"[v & 15];
		v >>= 4;
	}
	fmt_mem(f, text + at, sizeof text - at);
}

void fmt_hex(struct fmt *f, uint64_t v)
{
	fmt_hex_pad(f, v, 1);
}

static bool utf8_tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* Bytes of the well-formed UTF-8 sequence at s, 0 when there is none (Unicode 15, table 3-7). */
static size_t utf8_len(const unsigned char *s, size_t left)
{
	unsigned char c = s[0];
	if (c < 0x80)
		return 1;
	if (c >= 0xc2 && c <= 0xdf)
		return left >= 2 && utf8_tail(s[1]) ? 2 : 0;
	if (c >= 0xe0 && c <= 0xef) {
		unsigned char lo = c == 0xe0 ? 0xa0 : 0x80; /* overlong below */
		unsigned char hi = c == 0xed ? 0x9f : 0xbf; /* surrogates above */
		return left >= 3 && s[1] >= lo && s[1] <= hi && utf8_tail(s[2]) ? 3 : 0;
	}
	if (c >= 0xf0 && c <= 0xf4) {
		unsigned char lo = c == 0xf0 ? 0x90 : 0x80;
		unsigned char hi = c == 0xf4 ? 0x8f : 0xbf; /* past U+10FFFF */
		return left >= 4 && s[1] >= lo && s[1] <= hi && utf8_tail(s[2]) && utf8_tail(s[3]) ? 4 : 0;
	}
	return 0;
}

static bool json_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static void json_escape(struct fmt *f, unsigned char c)
{
	fmt_c(f, '\\');
	switch (c) {
	case '"':
	case '\\':
		fmt_c(f, (char)c);
		return;
	case '\n':
		fmt_c(f, 'n');
		return;
	case '\r':
		fmt_c(f, 'r');
		return;
	case '\t':
		fmt_c(f, 't');
		return;
	default:
		fmt_c(f, 'u');
		fmt_hex_pad(f, c, 4);
	}
}

void fmt_json_mem(struct fmt *f, const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	fmt_c(f, '"');
	for (size_t i = 0; i < len && !f->cut;) {
		size_t run = i;
		while (run < len && json_plain(s[run]))
			run++;
		if (run > i) {
			fmt_mem(f, text + i, run - i);
			i = run;
			continue;
		}
		if (s[i] < 0x80) {
			json_escape(f, s[i++]);
			continue;
		}
		size_t n = utf8_len(s + i, len - i);
		if (n)
			fmt_mem(f, text + i, n);
		else
			fmt_mem(f, "\xef\xbf\xbd", 3);
		i += n ? n : 1;
	}
	fmt_c(f, '"');
}

void fmt_json(struct fmt *f, const char *s)
{
	fmt_json_mem(f, s, strlen(s));
}

/* Length without a UTF-8 sequence that begins near the end and is not whole. */
static size_t whole_chars(const char *buf, size_t len)
{
	size_t lead = len;
	while (lead > 0 && len - lead < 3 && utf8_tail((unsigned char)buf[lead - 1]))
		lead--;
	if (lead == 0)
		return len;
	unsigned char c = (unsigned char)buf[lead - 1];
	size_t want = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
	return len - (lead - 1) < want ? lead - 1 : len;
}

const char *fmt_end(struct fmt *f)
{
	if (f->cap == 0)
		return "";
	if (f->len == f->cap) {
		f->len--;
		f->cut = true;
	}
	if (f->cut)
		f->len = whole_chars(f->buf, f->len);
	f->buf[f->len] = '\0';
	return f->buf;
}
