#include "suppressions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wire/options.h"

#define BIT(name) (1ull << KIND_##name)
#define ALL_KINDS ((1ull << NR_KINDS) - 1)
#define RACES     (BIT(DATA_RACE) | BIT(UNGUARDED_WRITE))
#define DEADLOCKS (BIT(DEADLOCK) | BIT(LOCK_ORDER))

_Static_assert(NR_KINDS < 64, "kinds fit a mask");

/* ---- lines ------------------------------------------------------------------------------------------------------- */

static char *trimmed(struct mem *m, const char *text, size_t len)
{
	while (len && strchr(" \t\r", text[0]))
		text++, len--;
	while (len && strchr(" \t\r", text[len - 1]))
		len--;
	return mem_copy(m, text, len);
}

/* Cuts " key=value" off the end of `text`; the value may hold spaces. */
static const char *cut_field(char *text, const char *key)
{
	size_t n = strlen(key);
	for (char *p = text; (p = strstr(p, key)); p += n)
		if (p > text && (p[-1] == ' ' || p[-1] == '\t')) {
			char *end = p - 1;
			while (end > text && (end[-1] == ' ' || end[-1] == '\t'))
				end--;
			*end = '\0';
			return p + n;
		}
	return NULL;
}

static void cut_comment(char *text)
{
	for (char *p = text; *p; p++)
		if (*p == '#' && (p == text || p[-1] == ' ' || p[-1] == '\t')) {
			*p = '\0';
			for (p--; p >= text && (*p == ' ' || *p == '\t'); p--)
				*p = '\0';
			return;
		}
}

static bool is_date(const char *text)
{
	static const char shape[] = "dddd-dd-dd";
	for (unsigned i = 0; i < sizeof shape - 1; i++)
		if (shape[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != '-')
			return false;
	int month = atoi(text + 5), day = atoi(text + 8);
	return text[10] == '\0' && month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

static bool past(const char *date)
{
	char today[16];
	time_t now = time(NULL);
	struct tm tm;
	strftime(today, sizeof today, "%Y-%m-%d", localtime_r(&now, &tm));
	return strcmp(today, date) > 0;
}

static bool word_is(const char *text, size_t len, const char *word)
{
	return strlen(word) == len && memcmp(text, word, len) == 0;
}

/* TSan's words; `deadlock` is ours as well, and there a part of a name is enough too. */
static bool tsan_word(const char *word, size_t len, struct suppression *x)
{
	static const struct {
		const char *word;
		enum suppression_form form;
		uint64_t kinds;
	} words[] = {
		{ "race", SUPPRESSION_TSAN, RACES },
		{ "race_top", SUPPRESSION_TSAN, RACES },
		{ "deadlock", SUPPRESSION_TSAN, DEADLOCKS },
		{ "mutex", SUPPRESSION_TSAN, ALL_KINDS & ~(RACES | DEADLOCKS | BIT(THREAD_LEAK) | BIT(SIGNAL_UNSAFE)) },
		{ "thread", SUPPRESSION_TSAN, BIT(THREAD_LEAK) },
		{ "signal", SUPPRESSION_TSAN, BIT(SIGNAL_UNSAFE) },
		{ "called_from_lib", SUPPRESSION_LIBRARY, ALL_KINDS },
	};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (word_is(word, len, words[i].word)) {
			x->form = words[i].form;
			x->kinds = words[i].kinds;
			return true;
		}
	return false;
}

static const char *nearest_kind(const char *word, size_t len)
{
	const char *best = NULL;
	size_t best_same = 0;
	for (int k = 0; k < NR_KINDS; k++) {
		size_t same = 0;
		while (same < len && kind_facts[k].slug[same] == word[same])
			same++;
		if (same > best_same) {
			best_same = same;
			best = kind_facts[k].slug;
		}
	}
	return best;
}

static bool add_line(struct suppressions *s, const char *file, unsigned line, char *text, char *err, size_t cap)
{
	struct suppression x = { .file = file, .line = line, .text = mem_copy(&s->mem, text, strlen(text)) };
	/* Whichever of the two comes last is cut off first. */
	char *reason = strstr(text, " reason="), *until = strstr(text, " until=");
	bool until_last = until && (!reason || until > reason);
	if (until_last)
		x.until = cut_field(text, "until=");
	x.reason = cut_field(text, "reason=");
	if (!until_last)
		x.until = cut_field(text, "until=");
	if (x.until && !is_date(x.until)) {
		snprintf(err, cap, "%s:%u: until= wants a date as YYYY-MM-DD, not '%.40s'", file, line, x.until);
		return false;
	}
	char *colon = strchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;
	if (len == 0 || !colon[1]) {
		snprintf(
		    err, cap,
		    "%s:%u: '%.60s' is no suppression: write kind:glob, such as lock-order:my_function (or *:glob)",
		    file, line, text);
		return false;
	}
	char kind[64];
	snprintf(kind, sizeof kind, "%.*s", (int)(len < 63 ? len : 63), text);
	x.pattern = colon + 1;
	if (strcmp(kind, "*") == 0)
		x.kinds = ALL_KINDS;
	else if (!tsan_word(text, len, &x)) {
		if (kind_find(kind) < 0) {
			const char *near = nearest_kind(kind, strlen(kind));
			snprintf(err, cap, "%s:%u: unknown kind '%.40s'%s%s%s; write *:glob for any kind", file, line,
				 kind, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
			return false;
		}
		x.kinds = 1ull << kind_find(kind);
	}
	x.expired = x.until && past(x.until);
	*MEM_PUSH(s->rules, s->nr, s->cap) = x;
	return true;
}

bool suppressions_parse(struct suppressions *s, const char *file, const char *text, size_t len, char *err, size_t cap)
{
	unsigned line = 1;
	file = mem_copy(&s->mem, file, strlen(file));
	for (size_t at = 0; at < len; line++) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t n = end ? (size_t)(end - text) - at : len - at;
		char *one = trimmed(&s->mem, text + at, n);
		if (one[0] == '{') {
			if (!suppressions_block(s, file, text, len, &at, &line, err, cap))
				return false;
			continue;
		}
		at += n + 1;
		cut_comment(one);
		if (*one && !add_line(s, file, line, one, err, cap))
			return false;
	}
	return true;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

bool suppressions_load(struct suppressions *s, const char *path, char *err, size_t cap)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t len = 0, room = 0, n;
	if (!f) {
		snprintf(err, cap, "cannot read the suppressions %s: %s", path, strerror(errno));
		return false;
	}
	do {
		while (room - len < 4096)
			text = mem_grow(text, &room, 1);
		n = fread(text + len, 1, room - len, f);
		len += n;
	} while (n);
	bool ok = !ferror(f);
	if (!ok)
		snprintf(err, cap, "cannot read the suppressions %s: %s", path, strerror(errno));
	fclose(f);
	ok = ok && suppressions_parse(s, path, text, len, err, cap);
	free(text);
	return ok;
}

bool suppressions_load_list(struct suppressions *s, const char *list, char *err, size_t cap)
{
	char path[4096];
	while (options_next(&list, path, sizeof path))
		if (!suppressions_load(s, path, err, cap))
			return false;
	return true;
}

void suppressions_free(struct suppressions *s)
{
	for (size_t i = 0; i < s->nr; i++)
		free(s->rules[i].frames);
	free(s->rules);
	mem_free(&s->mem);
	memset(s, 0, sizeof *s);
}
