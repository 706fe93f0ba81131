/*
 * fmt.h - Text into a caller's buffer, without stdio, locale or allocation.
 *
 * A fmt that runs out of room keeps what fits, sets `cut`, and goes on doing nothing: check once at
 * the end. The text is not NUL-terminated; `len` counts it.
 */
#ifndef SNARL_BASE_FMT_H
#define SNARL_BASE_FMT_H

#include "base/compiler.h"

struct fmt {
	char *buf;
	size_t cap, len;
	bool cut;
};

static inline struct fmt fmt_on(char *buf, size_t cap) { return (struct fmt){ buf, cap, 0, false }; }

void fmt_c(struct fmt *f, char c);
void fmt_str(struct fmt *f, const char *s);
void fmt_mem(struct fmt *f, const char *s, size_t len);
void fmt_u64(struct fmt *f, uint64_t v);
void fmt_i64(struct fmt *f, int64_t v);
/* Lower case hexadecimal with no leading 0x; fmt_hex_pad writes at least `digits`. */
void fmt_hex(struct fmt *f, uint64_t v);
void fmt_hex_pad(struct fmt *f, uint64_t v, unsigned digits);
/* A JSON string with its quotes. Control characters, quote and backslash are escaped; bytes that are
 * not UTF-8 become U+FFFD, so that a line is valid JSON whatever a file name holds. */
void fmt_json(struct fmt *f, const char *s);
void fmt_json_mem(struct fmt *f, const char *s, size_t len);
/* Truncates safely and NUL-terminates; returns buf. */
const char *fmt_end(struct fmt *f);

#endif
