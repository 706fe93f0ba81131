/*
 * options.h - The options, parsed the same way inside the target and by the snarl command.
 *
 * Text form: key=value:key=value; a backslash escapes ':' ',' and '\' inside a value; '_' and '-' are
 * alike in keys; a BOOL may stand alone (`quiet`) or take on|off|yes|no|1|0|true|false.
 * No allocation: strings go into the `text` of the struct itself.
 */
#ifndef SNARL_WIRE_OPTIONS_H
#define SNARL_WIRE_OPTIONS_H

#include "wire/kinds.h"

#include <stdbool.h>
#include <stddef.h>

enum races_mode { RACES_HB, RACES_HYBRID, RACES_OFF };
enum deadlock_mode { DEADLOCK_REPORT, DEADLOCK_EXIT, DEADLOCK_ABORT };

#define OPTIONS_TEXT_BYTES 8192

struct options {
#define OPTION_FIELD_STRING(f) const char *f;
#define OPTION_FIELD_BOOL(f) bool f;
#define OPTION_FIELD_INT(f) long f;
#define OPTION_FIELD_SIZE(f) size_t f;
#define OPTION_FIELD_ENUM_RACES(f) enum races_mode f;
#define OPTION_FIELD_ENUM_DEADLOCK(f) enum deadlock_mode f;
#define OPTION_FIELD_ENUM_GRADE(f) enum grade f;
#define OPTION(field, name, type, def, built, arg, help) OPTION_FIELD_##type(field)
#include "wire/options.def"
#undef OPTION
	unsigned long long given; /* bit i: row i of options.def was set by the user */
	size_t text_len;
	char text[OPTIONS_TEXT_BYTES]; /* the strings */
};

struct option_row {
	const char *name;
	const char *arg; /* "" for a BOOL */
	const char *help;
	bool built;
	bool is_bool;
};

extern const struct option_row option_rows[];
extern const size_t nr_options;

void options_default(struct options *o);

/* Sets one option from its text. Returns 0, or -1 with one clear sentence in `err`
 * ("unknown option 'jornal' (did you mean 'journal'?)", "fail_on wants confirmed|...|advice, not 'x'"). */
int options_set(struct options *o, const char *key, size_t key_len, const char *value, size_t value_len, char *err,
		size_t err_cap);

/* Parses a whole key=value:... list; stops at the first mistake. As options_set. */
int options_parse(struct options *o, const char *text, char *err, size_t err_cap);

/* Row of that name ('_' and '-' alike) or -1; `nearest` gets the closest name when there is none. */
int options_find(const char *key, size_t key_len, const char **nearest);

/* Writes `value` escaped for a key=value:... list. Returns the length, 0 when it does not fit. */
size_t options_escape(char *out, size_t cap, const char *value);

/*
 * Lists (PATH,...) keep their backslashes before ',' and '\' when they are parsed, since those tell a comma in a name
 * from one between names. options_next takes the next name, unescaped and truncated to cap; false after the last.
 * options_escape_row is exact for lists too, where options_escape would spoil a name that holds a comma.
 */
bool options_is_list(int row);
bool options_next(const char **list, char *out, size_t cap);
size_t options_escape_row(char *out, size_t cap, int row, const char *value);

/* %p pid, %e program's base name, %% itself. Returns false when it does not fit. */
bool options_expand(char *out, size_t cap, const char *pattern, int pid, const char *program);

#endif
