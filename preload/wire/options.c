/*
 * options.c - See options.h.
 *
 * Linked into the runtime, where there is no malloc and no stdio, and into the snarl command, where there is no base/:
 * so it uses string.h alone and writes its few messages itself.
 */
#include "wire/options.h"

#include <stdint.h>
#include <string.h>

enum type { TYPE_STRING, TYPE_BOOL, TYPE_INT, TYPE_SIZE, TYPE_ENUM_RACES, TYPE_ENUM_DEADLOCK, TYPE_ENUM_GRADE };

static const struct place {
	enum type type;
	size_t at; /* the field, from the start of struct options */
} places[] = {
#define OPTION(field, name, type, def, built, arg, help) { TYPE_##type, offsetof(struct options, field) },
#include "wire/options.def"
#undef OPTION
};

#define NR_OPTIONS (sizeof(places) / sizeof(places[0]))
_Static_assert(NR_OPTIONS <= 64, "`given` has 64 bits");

const struct option_row option_rows[] = {
#define OPTION(field, name, type, def, built, arg, help) { name, arg, help, built, TYPE_##type == TYPE_BOOL },
#include "wire/options.def"
#undef OPTION
};
const size_t nr_options = NR_OPTIONS;

void options_default(struct options *o)
{
	memset(o, 0, sizeof *o);
#define OPTION(field, name, type, def, built, arg, help) o->field = def;
#include "wire/options.def"
#undef OPTION
}

/* ---- messages --------------------------------------------------------------------------------------------------- */

struct say {
	char *buf;
	size_t cap, len;
};

static void say_mem(struct say *s, const char *text, size_t len)
{
	for (size_t i = 0; i < len && s->len + 1 < s->cap; i++)
		s->buf[s->len++] = text[i];
	if (s->cap)
		s->buf[s->len] = '\0';
}

static void say(struct say *s, const char *text)
{
	say_mem(s, text, strlen(text));
}

static void say_number(struct say *s, long v)
{
	char digits[20];
	size_t at = sizeof digits;
	for (; v || at == sizeof digits; v /= 10)
		digits[--at] = (char)('0' + v % 10);
	say_mem(s, digits + at, sizeof digits - at);
}

/* What somebody else typed: it may be long, and may hold what a terminal obeys. */
static void say_quoted(struct say *s, const char *text, size_t len)
{
	size_t shown = len > 60 ? 57 : len;
	say(s, "'");
	for (size_t i = 0; i < shown; i++)
		say_mem(s, (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? "?" : text + i, 1);
	say(s, shown < len ? "...'" : "'");
}

/* ---- names ------------------------------------------------------------------------------------------------------ */

#define MAX_NAME 32 /* no option's name is longer; a longer key resembles none */

static char fold(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	return c == '-' ? '_' : c;
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Insertions, deletions, substitutions and swaps of neighbours that turn `key` into `name`. */
static unsigned distance(const char *key, size_t key_len, const char *name)
{
	unsigned row[3][MAX_NAME + 1];
	size_t n = strlen(name);
	if (n > MAX_NAME)
		n = MAX_NAME;
	for (size_t j = 0; j <= n; j++)
		row[0][j] = (unsigned)j;
	for (size_t i = 1; i <= key_len; i++) {
		unsigned *cur = row[i % 3], *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];
		char c = fold(key[i - 1]);
		cur[0] = (unsigned)i;
		for (size_t j = 1; j <= n; j++) {
			cur[j] = least(least(up[j], cur[j - 1]) + 1, up[j - 1] + (c != name[j - 1]));
			if (i > 1 && j > 1 && c == name[j - 2] && fold(key[i - 2]) == name[j - 1])
				cur[j] = least(cur[j], up2[j - 2] + 1);
		}
	}
	return row[key_len % 3][n];
}

static bool is_start_of(const char *key, size_t key_len, const char *name)
{
	for (size_t i = 0; i < key_len; i++)
		if (name[i] == '\0' || (key[i] == '-' ? '_' : key[i]) != name[i])
			return false;
	return true;
}

static bool same_name(const char *key, size_t key_len, const char *name)
{
	return is_start_of(key, key_len, name) && name[key_len] == '\0';
}

static const char *nearest_name(const char *key, size_t key_len, unsigned *how_far)
{
	const char *best = NULL;
	*how_far = UINT32_MAX;
	if (key_len == 0 || key_len > MAX_NAME)
		return NULL;
	for (size_t i = 0; i < NR_OPTIONS; i++) {
		const char *name = option_rows[i].name;
		unsigned d = key_len > 1 && is_start_of(key, key_len, name) ? 1 : distance(key, key_len, name);
		if (d < *how_far) {
			*how_far = d;
			best = name;
		}
	}
	return best;
}

int options_find(const char *key, size_t key_len, const char **nearest)
{
	for (size_t i = 0; i < NR_OPTIONS; i++) {
		if (!same_name(key, key_len, option_rows[i].name))
			continue;
		if (nearest)
			*nearest = option_rows[i].name;
		return (int)i;
	}
	unsigned how_far;
	if (nearest)
		*nearest = nearest_name(key, key_len, &how_far);
	return -1;
}

static int unknown(struct say *s, const char *key, size_t key_len)
{
	unsigned how_far;
	const char *near = nearest_name(key, key_len, &how_far);
	say(s, "unknown option ");
	say_quoted(s, key, key_len);
	if (!near) {
		say(s, " ('help' lists them all)");
		return -1;
	}
	say(s, how_far <= 1 + key_len / 3 ? " (did you mean '" : " (the nearest is '");
	say(s, near);
	say(s, how_far <= 1 + key_len / 3 ? "'?)" : "'; 'help' lists them all)");
	return -1;
}

/* ---- values ----------------------------------------------------------------------------------------------------- */

/* Position of the value among "a|b|c", or -1. For races and deadlock that is the enumerator too. */
static int word_find(const char *words, const char *value, size_t len)
{
	for (int i = 0;; i++) {
		const char *end = strchr(words, '|');
		size_t n = end ? (size_t)(end - words) : strlen(words);
		if (n == len && memcmp(words, value, n) == 0)
			return i;
		if (!end)
			return -1;
		words = end + 1;
	}
}

static int grade_value(const char *value, size_t len)
{
	for (int i = 0; i < NR_GRADES; i++)
		if (strlen(grade_slugs[i]) == len && memcmp(value, grade_slugs[i], len) == 0)
			return i;
	return -1;
}

static int bool_find(const char *value, size_t len)
{
	int at = word_find("off|on|no|yes|0|1|false|true", value, len);
	return at < 0 ? -1 : at % 2;
}

/* The digits at the start; false when there are none or too many. */
static bool number(const char *value, size_t len, size_t *used, unsigned long long *out)
{
	unsigned long long v = 0;
	size_t i = 0;
	for (; i < len && value[i] >= '0' && value[i] <= '9'; i++)
		if (__builtin_mul_overflow(v, 10ull, &v) ||
		    __builtin_add_overflow(v, (unsigned long long)(value[i] - '0'), &v))
			return false;
	*used = i;
	*out = v;
	return i > 0;
}

static bool size_value(const char *value, size_t len, size_t *out)
{
	unsigned long long v;
	size_t used;
	if (!number(value, len, &used, &v) || len - used > 1)
		return false;
	if (used < len) {
		int unit = word_find("k|m|g|K|M|G", value + used, 1);
		int shift = 10 * (unit % 3 + 1);
		if (unit < 0 || v > SIZE_MAX >> shift)
			return false;
		v <<= shift;
	}
	*out = (size_t)v;
	return true;
}

static void int_range(size_t at, long *lo, long *hi)
{
	*lo = 0;
	*hi = 1000000000;
	if (at == offsetof(struct options, stack_depth))
		*lo = 1, *hi = 256;
	else if (at == offsetof(struct options, exitcode))
		*hi = 255;
}

static int wants(struct say *s, size_t i, const char *what, const char *value, size_t len)
{
	say(s, option_rows[i].name);
	say(s, " wants ");
	say(s, what);
	say(s, ", not ");
	say_quoted(s, value, len);
	return -1;
}

static int set_int(struct say *s, size_t i, long *field, const char *value, size_t len)
{
	long lo, hi;
	size_t used;
	unsigned long long v;
	int_range(places[i].at, &lo, &hi);
	if (number(value, len, &used, &v) && used == len && v >= (unsigned long long)lo &&
	    v <= (unsigned long long)hi) {
		*field = (long)v;
		return 0;
	}
	char what[64];
	struct say w = { what, sizeof what, 0 };
	say(&w, "a number from ");
	say_number(&w, lo);
	say(&w, " to ");
	say_number(&w, hi);
	return wants(s, i, what, value, len);
}

/* `value` may lie in the free end of o->text already: options_parse unescapes it there. */
static int set_string(struct options *o, struct say *s, size_t i, const char **field, const char *value, size_t len)
{
	if (len == 0) {
		say(s, option_rows[i].name);
		say(s, " wants ");
		say(s, option_rows[i].arg);
		say(s, ", not an empty value");
		return -1;
	}
	if (len >= sizeof o->text - o->text_len) {
		say(s, option_rows[i].name);
		say(s, " is too long: all options together may have ");
		say_number(s, OPTIONS_TEXT_BYTES);
		say(s, " bytes");
		return -1;
	}
	char *to = o->text + o->text_len;
	memmove(to, value, len);
	to[len] = '\0';
	o->text_len += len + 1;
	*field = to;
	return 0;
}

static int set_value(struct options *o, struct say *s, size_t i, const char *value, size_t len)
{
	void *field = (char *)o + places[i].at;
	const char *words = option_rows[i].arg;
	int at;
	switch (places[i].type) {
	case TYPE_STRING:
		return set_string(o, s, i, field, value, len);
	case TYPE_BOOL:
		at = bool_find(value, len);
		if (at < 0)
			return wants(s, i, "on or off", value, len);
		*(bool *)field = at;
		return 0;
	case TYPE_INT:
		return set_int(s, i, field, value, len);
	case TYPE_SIZE:
		if (!size_value(value, len, field))
			return wants(s, i, "a size in bytes, or one such as 512k, 64m or 2g", value, len);
		return 0;
	case TYPE_ENUM_RACES:
	case TYPE_ENUM_DEADLOCK:
	case TYPE_ENUM_GRADE:
		at = places[i].type == TYPE_ENUM_GRADE ? grade_value(value, len) : word_find(words, value, len);
		if (at < 0)
			return wants(s, i, words, value, len);
		*(unsigned *)field = (unsigned)at; /* what gcc and clang make of an enum without negative values */
		return 0;
	}
	return -1;
}

int options_set(struct options *o, const char *key, size_t key_len, const char *value, size_t value_len, char *err,
		size_t err_cap)
{
	struct say s = { err, err_cap, 0 };
	say(&s, "");
	if (key_len == 0) {
		say(&s, "an option's name is missing before '='");
		return -1;
	}
	int i = options_find(key, key_len, NULL);
	if (i < 0)
		return unknown(&s, key, key_len);
	if (!value) {
		if (!option_rows[i].is_bool) {
			say(&s, option_rows[i].name);
			say(&s, " wants a value: ");
			say(&s, option_rows[i].name);
			say(&s, "=");
			say(&s, option_rows[i].arg);
			return -1;
		}
		value = "on";
		value_len = 2;
	}
	if (set_value(o, &s, (size_t)i, value, value_len) != 0)
		return -1;
	o->given |= 1ull << i;
	return 0;
}

/* ---- lists ------------------------------------------------------------------------------------------------------ */

bool options_is_list(int row)
{
	const char *arg = option_rows[row].arg;
	size_t n = strlen(arg);
	return n >= 3 && memcmp(arg + n - 3, ",..", 3) == 0;
}

static bool escapable(char c)
{
	return c == ':' || c == ',' || c == '\\';
}

int options_parse(struct options *o, const char *text, char *err, size_t err_cap)
{
	struct say s = { err, err_cap, 0 };
	say(&s, "");
	while (*text) {
		size_t key_len = strcspn(text, "=:");
		const char *key = text, *value = NULL;
		size_t value_len = 0;
		text += key_len;
		if (*text == '=') {
			int row = options_find(key, key_len, NULL);
			/* A list keeps its escapes, or a comma in a name would become one between names. */
			bool list = row >= 0 && options_is_list(row);
			char *to = o->text + o->text_len;
			size_t room = sizeof o->text - o->text_len;
			for (text++; *text && *text != ':'; text++) {
				if (*text == '\\' && escapable(text[1])) {
					text++;
					if (list && *text != ':' && value_len < room)
						to[value_len++] = '\\';
				}
				if (value_len < room)
					to[value_len++] = *text;
			}
			value = to;
		}
		if (*text == ':')
			text++;
		if (key_len == 0 && !value)
			continue; /* "a::b", or a colon at the end */
		if (options_set(o, key, key_len, value, value_len, err, err_cap) != 0)
			return -1;
	}
	return 0;
}

static size_t escape(char *out, size_t cap, const char *value, bool list)
{
	size_t len = 0;
	for (; *value; value++) {
		/* A list has its own backslashes already: those pairs go through as they are. */
		bool pair = list && *value == '\\' && (value[1] == ',' || value[1] == '\\');
		bool guard = *value == ':' || (*value == '\\' && !pair);
		if (len + 2 + (pair || guard) > cap)
			goto full;
		if (guard)
			out[len++] = '\\';
		out[len++] = *value;
		if (pair)
			out[len++] = *++value;
	}
	if (len < cap) {
		out[len] = '\0';
		return len;
	}
full:
	if (cap)
		out[0] = '\0';
	return 0;
}

/* A comma means something in lists only, and plain lists are what this is mostly given: it stays as it is. */
size_t options_escape(char *out, size_t cap, const char *value)
{
	return escape(out, cap, value, false);
}

size_t options_escape_row(char *out, size_t cap, int row, const char *value)
{
	return escape(out, cap, value, options_is_list(row));
}

bool options_next(const char **list, char *out, size_t cap)
{
	const char *p = *list;
	while (*p == ',')
		p++;
	if (!*p)
		return false;
	size_t len = 0;
	for (; *p && *p != ','; p++) {
		if (*p == '\\' && (p[1] == ',' || p[1] == '\\'))
			p++;
		if (len + 1 < cap)
			out[len++] = *p;
	}
	if (cap)
		out[len] = '\0';
	*list = p;
	return true;
}

bool options_expand(char *out, size_t cap, const char *pattern, int pid, const char *program)
{
	struct say s = { out, cap, 0 };
	const char *slash = program ? strrchr(program, '/') : NULL;
	const char *base = slash ? slash + 1 : program ? program : "";
	size_t want = 0;
	say(&s, "");
	for (const char *p = pattern; *p; p++) {
		size_t before = s.len;
		if (p[0] == '%' && (p[1] == 'p' || p[1] == 'e' || p[1] == '%')) {
			p++;
			char number_text[24];
			struct say n = { number_text, sizeof number_text, 0 };
			say_number(&n, pid);
			const char *piece = *p == 'p' ? number_text : *p == 'e' ? base : "%";
			want = strlen(piece);
			say(&s, piece);
		} else {
			want = 1;
			say_mem(&s, p, 1);
		}
		if (s.len - before != want)
			return false;
	}
	return cap > 0;
}
