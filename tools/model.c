#include "model.h"

#include <stdlib.h>
#include <string.h>

void model_init(struct model *m)
{
	memset(m, 0, sizeof *m);
}

static void section_free(struct section *s)
{
	HASH_CLEAR(hh, s->modules);
	HASH_CLEAR(hh, s->stacks);
	HASH_CLEAR(hh, s->threads);
	HASH_CLEAR(hh, s->locks);
	free(s->edges);
	free(s->notes);
}

void model_free(struct model *m)
{
	for (size_t i = 0; i < m->nr_sections; i++)
		section_free(m->sections[i]);
	free(m->sections);
	free(m->findings);
	free(m->damages);
	mem_free(&m->mem);
}

struct section *model_section(struct model *m, const char *file)
{
	struct section *s = mem_take(&m->mem, sizeof *s);
	s->model = m;
	s->file = file;
	*MEM_PUSH(m->sections, m->nr_sections, m->cap_sections) = s;
	return s;
}

void model_damage(struct model *m, const char *file, uint64_t offset, const char *reason)
{
	*MEM_PUSH(m->damages, m->nr_damages, m->cap_damages) =
	    (struct damage){ .file = file, .offset = offset, .reason = mem_copy(&m->mem, reason, strlen(reason)) };
}

#define FIND(name, table)                                               \
	struct name *model_##name(const struct section *s, uint64_t id) \
	{                                                               \
		struct name *found = NULL;                              \
		HASH_FIND(hh, s->table, &id, sizeof id, found);         \
		return found;                                           \
	}
FIND(module, modules)
FIND(stack, stacks)
FIND(thread, threads)
FIND(lock, locks)

const char *model_program(const struct section *s)
{
	const char *path = s->program && *s->program ? s->program : s->exe;
	if (!path || !*path)
		path = s->nr_args ? s->args[0] : "";
	const char *slash = strrchr(path, '/');
	path = slash && slash[1] ? slash + 1 : path;
	return *path ? path : "unknown program";
}

bool model_continued(const struct model *m, const struct section *s)
{
	bool after = false;
	for (size_t i = 0; i < m->nr_sections; i++) {
		const struct section *x = m->sections[i];
		if (x != s && x->pid == s->pid && (x->start > s->start || (after && x->start == s->start)))
			return true;
		after |= x == s;
	}
	return false;
}
