/*
 * Random option texts: nothing crashes, an error is one sentence, and what was understood survives being written out
 * and read again.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond) ((cond) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond), abort()))

enum {
#define OPTION(field, name, type, def, built, arg, help) ROW_##field,
#include "wire/options.def"
#undef OPTION
};

/* The text of a STRING option, NULL for any other. */
static const char *string_of(const struct options *o, size_t row)
{
	switch (row) {
#define VALUE_STRING(f)        return o->f;
#define VALUE_BOOL(f)          return NULL;
#define VALUE_INT(f)           return NULL;
#define VALUE_SIZE(f)          return NULL;
#define VALUE_ENUM_RACES(f)    return NULL;
#define VALUE_ENUM_DEADLOCK(f) return NULL;
#define VALUE_ENUM_GRADE(f)    return NULL;
#define OPTION(field, name, type, def, built, arg, help) \
	case ROW_##field:                                \
		VALUE_##type(field)
#include "wire/options.def"
#undef OPTION
	default:
		return NULL;
	}
}

static void round_trip(const struct options *o)
{
	static char text[3 * OPTIONS_TEXT_BYTES];
	static struct options again;
	size_t len = 0;
	for (size_t i = 0; i < nr_options; i++) {
		const char *v = string_of(o, i);
		if (!v || !(o->given >> i & 1))
			continue;
		len += (size_t)snprintf(text + len, sizeof text - len, ":%s=", option_rows[i].name);
		size_t n = options_escape_row(text + len, sizeof text - len, (int)i, v);
		MUST(n >= strlen(v));
		len += n;
	}
	text[len] = '\0';
	char err[256];
	options_default(&again);
	MUST(options_parse(&again, text, err, sizeof err) == 0);
	for (size_t i = 0; i < nr_options; i++) {
		const char *v = string_of(o, i), *w = string_of(&again, i);
		if (!v || !(o->given >> i & 1))
			continue;
		if (!options_is_list((int)i)) {
			MUST(w && strcmp(v, w) == 0);
			continue;
		}
		/* Lists say the same names, if not in the same letters. */
		static char a[OPTIONS_TEXT_BYTES], b[OPTIONS_TEXT_BYTES];
		for (;;) {
			bool more = options_next(&v, a, sizeof a);
			MUST(options_next(&w, b, sizeof b) == more);
			if (!more)
				break;
			MUST(strcmp(a, b) == 0);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct options o;
	char err[256];
	char *text = malloc(size + 1);
	memcpy(text, data, size);
	text[size] = '\0';

	options_default(&o);
	int r = options_parse(&o, text, err, sizeof err);
	MUST((r == 0) == (err[0] == '\0'));
	MUST(!strchr(err, '\n'));
	round_trip(&o);

	/* The same bytes as one key and one value, NULs and all, with an error text of every length. */
	if (size > 2) {
		size_t key = data[0] % size;
		options_set(&o, text, key, text + key, size - key, err, data[1] % sizeof err);
		options_set(&o, text, key, NULL, 0, NULL, 0);
	}

	size_t cap = size ? data[0] : 0;
	char *out = malloc(cap);
	size_t n = options_escape(out, cap, text);
	MUST(n == 0 || (n < cap && strlen(out) == n));
	if (options_expand(out, cap, text, (int)size, "/bin/prog"))
		MUST(strlen(out) < cap);
	free(out);
	free(text);
	return 0;
}
