#include "wire/kinds.h"

#include <string.h>

const struct kind_facts kind_facts[NR_KINDS] = {
#define KIND(name, slug, grade, title, fix) [KIND_##name] = { slug, GRADE_##grade, title, fix },
#include "wire/kinds.def"
#undef KIND
};

const struct lock_kind_facts lock_kind_facts[NR_LOCK_KINDS] = {
#define LOCKKIND(name, slug, words) [LOCK_##name] = { slug, words },
#include "wire/lockkinds.def"
#undef LOCKKIND
};

const char *const grade_slugs[NR_GRADES] = {
	[GRADE_ADVICE] = "advice",
	[GRADE_POSSIBLE] = "possible",
	[GRADE_FEASIBLE] = "feasible",
	[GRADE_CONFIRMED] = "confirmed",
};

int kind_find(const char *slug)
{
	for (int i = 0; i < NR_KINDS; i++)
		if (strcmp(kind_facts[i].slug, slug) == 0)
			return i;
	return -1;
}

int grade_find(const char *slug)
{
	for (int i = 0; i < NR_GRADES; i++)
		if (strcmp(grade_slugs[i], slug) == 0)
			return i;
	return -1;
}

int lock_kind_find(const char *slug)
{
	for (int i = 0; i < NR_LOCK_KINDS; i++)
		if (strcmp(lock_kind_facts[i].slug, slug) == 0)
			return i;
	return -1;
}
