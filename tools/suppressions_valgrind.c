/* suppressions_valgrind.c - Valgrind's blocks: { name, tool:kind, frames }. */
#include "suppressions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BIT(name) (1ull << KIND_##name)

/* What Helgrind and DRD call what. Kinds of other tools are nothing we could report. */
static uint64_t kinds_of(const char *kind)
{
	static const struct {
		const char *name;
		uint64_t kinds;
	} map[] = {
		{ "Race", BIT(DATA_RACE) | BIT(UNGUARDED_WRITE) },
		{ "ConflictingAccess", BIT(DATA_RACE) | BIT(UNGUARDED_WRITE) },
		{ "LockOrder", BIT(LOCK_ORDER) | BIT(DEADLOCK) },
		{ "UnlockUnlocked", BIT(UNLOCK_NOT_HELD) | BIT(RWLOCK_NOT_HELD) },
		{ "UnlockForeign", BIT(UNLOCK_FOREIGN) },
		{ "UnlockBogus", BIT(UNLOCK_NOT_HELD) | BIT(WRONG_TYPE) | BIT(USE_AFTER_DESTROY) },
		{ "PthAPIerror", BIT(CALL_ERROR) | BIT(RELOCK) | BIT(SEM_MISUSE) | BIT(JOIN_MISUSE) },
		{ "MutexErr", BIT(UNLOCK_NOT_HELD) | BIT(UNLOCK_FOREIGN) | BIT(DESTROY_HELD) | BIT(RELOCK) |
				  BIT(SELF_DEADLOCK) | BIT(FREE_HELD) | BIT(REINIT_LIVE) | BIT(WRONG_TYPE) |
				  BIT(USE_AFTER_DESTROY) },
		{ "RwlockErr", BIT(RWLOCK_NOT_HELD) | BIT(LOCK_UPGRADE) | BIT(DESTROY_HELD) | BIT(REINIT_LIVE) },
		{ "CondErr", BIT(COND_NO_MUTEX) | BIT(COND_TWO_MUTEXES) | BIT(REINIT_LIVE) },
		{ "CondRaceErr", BIT(SIGNAL_NO_MUTEX) },
		{ "CondDestrErr", BIT(DESTROY_WAITED) },
		{ "SemaphoreErr", BIT(SEM_MISUSE) | BIT(DESTROY_WAITED) | BIT(REINIT_LIVE) },
		{ "BarrierErr", BIT(BARRIER_MISUSE) | BIT(DESTROY_WAITED) },
		{ "HoldtimeErr", BIT(HELD_LONG) },
	};
	if (strcmp(kind, "Misc") == 0 || strcmp(kind, "GenericErr") == 0)
		return ~(BIT(DATA_RACE) | BIT(UNGUARDED_WRITE) | BIT(LOCK_ORDER) | BIT(DEADLOCK));
	for (size_t i = 0; i < sizeof map / sizeof *map; i++)
		if (strcmp(map[i].name, kind) == 0)
			return map[i].kinds;
	return 0;
}

static bool is_ours(const char *tools, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t n = 0;
		while (at + n < len && tools[at + n] != ',')
			n++;
		if ((n == 8 && strncmp(tools + at, "Helgrind", 8) == 0) ||
		    (n == 3 && strncmp(tools + at, "drd", 3) == 0) || (n == 3 && strncmp(tools + at, "DRD", 3) == 0))
			return true;
		at += n + 1;
	}
	return false;
}

static bool add_frame(struct suppression *x, const char *text)
{
	struct suppression_frame f = { .glob = strchr(text, ':') ? strchr(text, ':') + 1 : "" };
	if (strcmp(text, "...") == 0)
		f.what = FRAME_ANY_NUMBER;
	else if (strncmp(text, "fun:", 4) == 0)
		f.what = FRAME_FUN;
	else if (strncmp(text, "obj:", 4) == 0)
		f.what = FRAME_OBJ;
	else if (strncmp(text, "src:", 4) == 0)
		f.what = FRAME_SRC;
	else
		return false;
	*MEM_PUSH(x->frames, x->nr_frames, x->cap_frames) = f;
	return true;
}

/* The next line, trimmed, without comments and blank ones; NULL at the end. */
static char *next_line(struct mem *m, const char *text, size_t len, size_t *at, unsigned *line)
{
	while (*at < len) {
		const char *start = text + *at, *end = memchr(start, '\n', len - *at);
		size_t n = end ? (size_t)(end - start) : len - *at;
		*at += n + 1;
		(*line)++;
		while (n && strchr(" \t\r", start[0]))
			start++, n--;
		while (n && strchr(" \t\r", start[n - 1]))
			n--;
		if (n && start[0] != '#')
			return mem_copy(m, start, n);
	}
	return NULL;
}

bool suppressions_block(struct suppressions *s, const char *file, const char *text, size_t len, size_t *at,
			unsigned *line, char *err, size_t cap)
{
	struct suppression x = { .form = SUPPRESSION_VALGRIND, .file = file, .line = *line };
	unsigned first = *line;
	(*line)--; /* next_line counts the brace's own line */
	next_line(&s->mem, text, len, at, line);
	char *name = next_line(&s->mem, text, len, at, line);
	char *kind = name && strcmp(name, "}") != 0 ? next_line(&s->mem, text, len, at, line) : NULL;
	char *colon = kind ? strchr(kind, ':') : NULL;
	if (!colon) {
		snprintf(
		    err, cap,
		    "%s:%u: a { block wants a name, then tool:kind such as Helgrind:LockOrder, each on its own line",
		    file, first);
		return false;
	}
	x.text = name;
	if (is_ours(kind, (size_t)(colon - kind)))
		x.kinds = kinds_of(colon + 1);
	for (;;) {
		char *frame = next_line(&s->mem, text, len, at, line);
		if (!frame) {
			snprintf(err, cap, "%s:%u: this { block is never closed: add a line with } after its frames",
				 file, first);
			free(x.frames);
			return false;
		}
		if (strcmp(frame, "}") == 0)
			break;
		/* Some kinds of other tools have a line of their own before the frames. */
		if (!add_frame(&x, frame) && x.kinds) {
			snprintf(err, cap, "%s:%u: '%.60s' is no frame: write fun:glob, obj:glob, src:glob or ...",
				 file, *line, frame);
			free(x.frames);
			return false;
		}
	}
	(*line)++;
	*MEM_PUSH(s->rules, s->nr, s->cap) = x;
	return true;
}
