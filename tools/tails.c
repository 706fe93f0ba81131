#include "tails.h"

#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct tail {
	const char *path;
	uint64_t done; /* bytes passed over or fed */
	bool started, finished;
	struct reader reader;
	UT_hash_handle hh;
};

/* ---- which files ------------------------------------------------------------------------------------------------- */

static const char *glob_of(struct mem *m, const char *pattern)
{
	char *out = mem_take(m, 8 * strlen(pattern) + 16), *to = out;
	for (const char *p = pattern; *p; p++) {
		if (p[0] == '%' && p[1] == 'p') {
			to = stpcpy(to, "[0-9]*");
			p++;
		} else if (p[0] == '%' && p[1] == 'e') {
			to = stpcpy(to, "*");
			p++;
		} else {
			if (p[0] == '%' && p[1] == '%')
				p++;
			if (strchr("*?[\\", *p))
				*to++ = '\\';
			*to++ = *p;
		}
	}
	return out;
}

static struct tail *tail_of(struct tails *t, const char *path)
{
	struct tail *x;
	HASH_FIND_STR(t->files, path, x);
	if (!x) {
		x = mem_alloc(sizeof *x);
		x->path = mem_copy(&t->model->mem, path, strlen(path));
		HASH_ADD_KEYPTR(hh, t->files, x->path, strlen(x->path), x);
	}
	return x;
}

static void each_file(struct tails *t, void (*f)(struct tails *, struct tail *))
{
	/* A journal that somebody else is writing gets a number behind its name. */
	const char *const ends[] = { "", ".[0-9]*" };
	for (unsigned i = 0; i < 2; i++) {
		glob_t g;
		char *pattern = NULL;
		if (asprintf(&pattern, "%s%s", t->glob, ends[i]) < 0)
			return;
		if (glob(pattern, GLOB_NOSORT, NULL, &g) == 0) {
			for (size_t k = 0; k < g.gl_pathc; k++)
				f(t, tail_of(t, g.gl_pathv[k]));
			globfree(&g);
		}
		free(pattern);
	}
}

/* What is there before the run: up to the zeros that a killed process left. */
static void pass_over(struct tails *t, struct tail *x)
{
	static char block[64 << 10];
	int fd = open(x->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t n;
	(void)t;
	uint64_t at = 0;
	while (fd >= 0 && (n = pread(fd, block, sizeof block, (off_t)at)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			if (block[i])
				x->done = at + (uint64_t)i + 1;
		at += (uint64_t)n;
	}
	if (fd >= 0)
		close(fd);
}

void tails_start(struct tails *t, struct model *m, const char *pattern, const char *mark, bool shared)
{
	memset(t, 0, sizeof *t);
	t->mark = mark;
	t->shared = shared;
	t->model = m;
	t->glob = glob_of(&m->mem, pattern);
	each_file(t, pass_over);
}

void tails_free(struct tails *t)
{
	struct tail *x, *next;
	HASH_ITER (hh, t->files, x, next) {
		HASH_DEL(t->files, x);
		free(x->reader.line);
		free(x);
	}
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/*
 * Up to the first NUL: behind it room has been reserved for a line that is not there yet, or nothing. At the end all of
 * it, and the reader tells what is missing.
 */
static void read_one(struct tail *x, struct model *m, bool at_end)
{
	static char block[64 << 10];
	int fd = open(x->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t n;
	if (fd < 0)
		return;
	if (!x->started) {
		x->started = true;
		reader_init(&x->reader, m, x->path, x->done);
		/* Somebody was writing there before us: what comes before the next header is theirs. */
		if (x->done) {
			x->reader.section = model_section(m, x->path);
			x->reader.section->foreign = true;
		}
	}
	while ((n = pread(fd, block, sizeof block, (off_t)x->done)) > 0) {
		const char *nul = at_end ? NULL : memchr(block, '\0', (size_t)n);
		size_t take = nul ? (size_t)(nul - block) : (size_t)n;
		reader_feed(&x->reader, block, take);
		x->done += take;
		if (nul)
			break;
	}
	close(fd);
	if (at_end && !x->finished) {
		reader_finish(&x->reader);
		x->finished = true;
	}
}

static void read_live(struct tails *t, struct tail *x)
{
	read_one(x, t->model, false);
}

static void read_last(struct tails *t, struct tail *x)
{
	read_one(x, t->model, true);
}

/* ---- whose process ----------------------------------------------------------------------------------------------- */

static pid_t parent_of(pid_t pid)
{
	char path[64], line[256];
	int ppid = 0;
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "PPid: %d", &ppid) == 1)
			break;
	if (f)
		fclose(f);
	return ppid;
}

static const struct section *section_of(const struct tails *t, uint64_t pid)
{
	for (size_t i = t->nr_sections; i-- > 0;)
		if (t->model->sections[i]->pid == pid)
			return t->model->sections[i];
	return NULL;
}

/* 1 it has our mark, 0 it has not, -1 nobody knows any more. */
static int marked(const struct tails *t, uint64_t pid)
{
	char path[64], *one = NULL;
	size_t cap = 0;
	snprintf(path, sizeof path, "/proc/%llu/environ", (unsigned long long)pid);
	FILE *f = fopen(path, "re");
	int found = -1;
	while (f && found != 1 && getdelim(&one, &cap, '\0', f) > 0)
		found = strcmp(one, t->mark) == 0;
	free(one);
	if (f)
		fclose(f);
	return found;
}

/* By its environment while it lives, else by its ancestors; when those end in the dark, it is taken for ours. */
static bool is_foreign(const struct tails *t, const struct section *s)
{
	uint64_t pid = s->pid, parent = s->ppid;
	if (!t->shared || !s->has_header || pid == (uint64_t)t->child)
		return false;
	const struct section *before = section_of(t, pid);
	if (before)
		return before->foreign;
	int mark = marked(t, pid);
	if (mark >= 0)
		return mark == 0;
	for (unsigned i = 0; i < 64 && parent > 1; i++) {
		if (parent == (uint64_t)t->child || parent == (uint64_t)getpid())
			return false;
		before = section_of(t, parent);
		if (before)
			return before->foreign;
		pid_t up = parent_of((pid_t)parent);
		if (up == 1)
			return true;
		parent = (uint64_t)up;
	}
	return false;
}

void tails_read(struct tails *t, bool at_end)
{
	each_file(t, at_end ? read_last : read_live);
	for (; t->nr_sections < t->model->nr_sections; t->nr_sections++) {
		struct section *s = t->model->sections[t->nr_sections];
		s->foreign |= is_foreign(t, s);
	}
}

/* Neither gone nor a zombie. */
static bool lives(uint64_t pid)
{
	char path[64], text[512] = "";
	snprintf(path, sizeof path, "/proc/%llu/stat", (unsigned long long)pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	size_t n = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	text[n] = '\0';
	const char *state = strrchr(text, ')');
	return state && state[1] && state[2] != 'Z' && state[2] != 'X';
}

/* A process that has forked and not begun its journal yet, or never will. */
static bool any_marked(const struct tails *t)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	bool any = false;
	while (d && !any && (e = readdir(d)))
		any = e->d_name[0] >= '1' && e->d_name[0] <= '9' && marked(t, strtoull(e->d_name, NULL, 10)) == 1;
	if (d)
		closedir(d);
	return any;
}

enum tails_open tails_open(const struct tails *t)
{
	for (size_t i = 0; i < t->model->nr_sections; i++) {
		const struct section *s = t->model->sections[i];
		if (!s->foreign && s->has_header && !s->over && s->pid && lives(s->pid))
			return TAILS_OPEN;
	}
	return any_marked(t) ? TAILS_SILENT : TAILS_NONE;
}
