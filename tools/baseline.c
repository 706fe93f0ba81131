#include "baseline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "reader.h"

/* One name of a known finding; a finding has up to two. */
struct baseline {
	char *key; /* "lock-order 00ab..." */
	struct baseline *twin;
	bool seen;
	UT_hash_handle hh;
};

static struct baseline *keep(struct report *r, const char *kind, const char *name)
{
	if (!kind || !name || !*name)
		return NULL;
	struct baseline *b;
	char *key = mem_printf(&r->model.mem, "%s %s", kind, name);
	HASH_FIND_STR(r->baseline, key, b);
	if (!b) {
		b = mem_take(&r->model.mem, sizeof *b);
		b->key = key;
		HASH_ADD_KEYPTR(hh, r->baseline, b->key, strlen(b->key), b);
	}
	return b;
}

static void keep_both(struct report *r, const char *kind, const char *identity, const char *fingerprint)
{
	struct baseline *a = keep(r, kind, identity), *b = keep(r, kind, fingerprint);
	if (a && b && a != b) {
		a->twin = b;
		b->twin = a;
	}
	r->has_baseline = true;
}

static void keep_report(struct report *r, const json_t *findings)
{
	size_t i;
	json_t *f;
	json_array_foreach(findings, i, f)
		keep_both(r, json_string_value(json_object_get(f, "kind")), json_string_value(json_object_get(f, "identity")),
			  json_string_value(json_object_get(f, "fingerprint")));
}

/* A report is one object with findings in it; a journal is many. */
static bool load_report(struct report *r, const char *path)
{
	json_t *o = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
	bool is_report = json_is_array(json_object_get(o, "findings"));
	if (is_report) {
		r->has_baseline = true;
		keep_report(r, json_object_get(o, "findings"));
		keep_report(r, json_object_get(o, "known"));
	}
	json_decref(o);
	return is_report;
}

static bool load_journal(struct report *r, const char *path)
{
	struct report old;
	report_init(&old, -1, false);
	bool read = reader_path(&old.model, path) && old.model.nr_sections && old.model.sections[0]->has_header;
	if (read)
		report_new(&old, NULL, true);
	for (const struct fold *f = old.folds; read && f; f = f->hh.next)
		keep_both(r, f->first->kind_slug, identity_of(&old.names, f->first), f->first->fingerprint);
	r->has_baseline |= read;
	report_free(&old);
	return read;
}

bool baseline_load(struct report *r, const char *path, char *err, size_t cap)
{
	struct stat st;
	if (stat(path, &st) != 0) {
		snprintf(err, cap, "baseline %s: %s%s", path, strerror(errno),
			 errno == ENOENT ? " (snarl report --format=json JOURNAL >FILE makes one)" : "");
		return false;
	}
	if ((S_ISREG(st.st_mode) && load_report(r, path)) || load_journal(r, path))
		return true;
	snprintf(err, cap, "baseline %s: neither a report (snarl report --format=json) nor a journal", path);
	return false;
}

void baseline_free(struct report *r)
{
	HASH_CLEAR(hh, r->baseline);
}

bool baseline_has(struct report *r, const struct finding *f)
{
	struct baseline *b = NULL;
	const char *names[] = { identity_of(&r->names, f), f->fingerprint };
	for (unsigned i = 0; i < 2 && !b && r->baseline && names[i]; i++) {
		const char *key = mem_printf(&r->model.mem, "%s %s", f->kind_slug, names[i]);
		HASH_FIND_STR(r->baseline, key, b);
	}
	if (!b)
		return false;
	b->seen = true;
	if (b->twin)
		b->twin->seen = true;
	return true;
}

uint64_t baseline_unseen(const struct report *r)
{
	uint64_t halves = 0;
	for (const struct baseline *b = r->baseline; b; b = b->hh.next)
		halves += b->seen ? 0 : b->twin ? 1 : 2;
	return halves / 2;
}
