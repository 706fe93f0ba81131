#include "reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "utf8.h"

#define MAX_LINE ((size_t)64 << 20)

void reader_init(struct reader *r, struct model *m, const char *file, uint64_t offset)
{
	memset(r, 0, sizeof *r);
	r->model = m;
	r->file = file;
	r->offset = offset;
}

/* Names are bytes and JSON is UTF-8: a record is not lost for a thread's odd name. */
static json_t *parse(const char *line, size_t len, json_error_t *err)
{
	json_t *record = json_loadb(line, len, JSON_ALLOW_NUL, err);
	if (record || utf8_valid(line, len))
		return record;
	char *clean = mem_alloc(3 * len + 1);
	record = json_loadb(clean, utf8_repair(clean, line, len), JSON_ALLOW_NUL, err);
	free(clean);
	return record;
}

static void damage(struct reader *r, uint64_t offset, const char *reason)
{
	model_damage(r->model, r->file, offset, reason);
}

static void take_hole(struct reader *r, bool before_header)
{
	char reason[80];
	if (r->hole_bytes && !before_header) {
		snprintf(reason, sizeof reason, "%llu NUL bytes where a record was begun and never finished",
			 (unsigned long long)r->hole_bytes);
		damage(r, r->hole, reason);
	}
	r->hole_bytes = 0;
}

static void take_line(struct reader *r, const char *line, size_t len, uint64_t offset, bool whole)
{
	json_error_t err;
	char reason[JSON_ERROR_TEXT_LENGTH + 32];
	while (len && (line[len - 1] == '\r' || line[len - 1] == ' ' || line[len - 1] == '\t'))
		len--;
	if (len == 0)
		return;
	json_t *record = parse(line, len, &err);
	if (!record) {
		/* A writer stores its first byte last: cut short, it leaves a NUL and the rest. */
		bool torn = !whole || r->hole_bytes;
		snprintf(reason, sizeof reason, "not JSON: %s", err.text);
		damage(r, r->hole_bytes ? r->hole : offset,
		       torn ? "a torn line: its process was killed while writing it" : reason);
		r->hole_bytes = 0;
		return;
	}
	const char *type = json_string_value(json_object_get(record, "type"));
	/* A journal is pre-sized: between the last line of one process and the next header NULs are how it should be.
	 */
	take_hole(r, type && strcmp(type, "header") == 0);
	const char *why = model_add(r->model, &r->section, r->file, record);
	if (why)
		damage(r, offset, why);
	json_decref(record);
}

static void keep(struct reader *r, const char *bytes, size_t len)
{
	r->seen += len;
	if (r->skipping)
		return;
	if (r->len + len > MAX_LINE) {
		damage(r, r->offset, "a line longer than 64 MiB");
		r->skipping = true;
		r->len = 0;
		return;
	}
	while (r->cap < r->len + len)
		r->line = mem_grow(r->line, &r->cap, 1);
	memcpy(r->line + r->len, bytes, len);
	r->len += len;
}

/* `bytes` up to a newline or NUL, which comes next. */
static void end_line(struct reader *r, const char *bytes, size_t len, bool newline)
{
	uint64_t start = r->offset;
	if (r->len || r->skipping) {
		keep(r, bytes, len);
		if (!r->skipping)
			take_line(r, r->line, r->len, start, newline);
		r->len = 0;
		r->skipping = false;
	} else if (len) {
		take_line(r, bytes, len, start, newline);
	} else if (!newline) {
		if (!r->hole_bytes++)
			r->hole = start;
	} else if (r->hole_bytes) {
		take_hole(r, false);
	}
}

void reader_feed(struct reader *r, const char *bytes, size_t len)
{
	while (len) {
		const char *newline = memchr(bytes, '\n', len);
		size_t n = newline ? (size_t)(newline - bytes) : len;
		const char *nul = memchr(bytes, '\0', n);
		if (nul)
			n = (size_t)(nul - bytes);
		if (n == len) {
			keep(r, bytes, len);
			return;
		}
		uint64_t next = r->offset + r->seen + n + 1;
		end_line(r, bytes, n, !nul);
		r->offset = next;
		r->seen = 0;
		bytes += n + 1;
		len -= n + 1;
	}
}

void reader_finish(struct reader *r)
{
	if (r->len && !r->skipping)
		take_line(r, r->line, r->len, r->offset, false);
	free(r->line);
	r->line = NULL;
	r->len = r->cap = 0;
}

bool reader_file(struct model *m, const char *path)
{
	static char block[64 << 10];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		close(fd);
		errno = EISDIR;
		return false;
	}
	struct reader r;
	reader_init(&r, m, mem_copy(&m->mem, path, strlen(path)), 0);
	ssize_t n;
	while ((n = read(fd, block, sizeof block)) > 0 || (n < 0 && errno == EINTR))
		if (n > 0)
			reader_feed(&r, block, (size_t)n);
	int err = errno;
	reader_finish(&r);
	close(fd);
	errno = err;
	return n == 0;
}

static int is_journal(const struct dirent *d)
{
	return strstr(d->d_name, ".jsonl") || strstr(d->d_name, ".journal");
}

bool reader_path(struct model *m, const char *path)
{
	struct stat st;
	struct dirent **list;
	if (stat(path, &st) != 0)
		return false;
	if (!S_ISDIR(st.st_mode))
		return reader_file(m, path);
	int nr = scandir(path, &list, is_journal, versionsort);
	if (nr < 0)
		return false;
	bool ok = nr > 0;
	for (int i = 0; i < nr; i++) {
		char *file =
		    mem_printf(&m->mem, "%s%s%s", path, path[strlen(path) - 1] == '/' ? "" : "/", list[i]->d_name);
		ok &= reader_file(m, file);
		free(list[i]);
	}
	free(list);
	if (nr == 0)
		errno = ENODATA;
	return ok;
}
