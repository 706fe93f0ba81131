/* kinds.h - Finding kinds, grades and lock kinds: the words of the journal. */
#ifndef SNARL_WIRE_KINDS_H
#define SNARL_WIRE_KINDS_H

/* From weakest to strongest, so that grades compare. */
enum grade { GRADE_ADVICE, GRADE_POSSIBLE, GRADE_FEASIBLE, GRADE_CONFIRMED, NR_GRADES };

enum kind {
#define KIND(name, slug, grade, title, fix) KIND_##name,
#include "wire/kinds.def"
#undef KIND
	NR_KINDS
};

enum lock_kind {
#define LOCKKIND(name, slug, words) LOCK_##name,
#include "wire/lockkinds.def"
#undef LOCKKIND
	NR_LOCK_KINDS
};

struct kind_facts {
	const char *slug;
	enum grade grade; /* unless the finding says otherwise */
	const char *title;
	const char *fix;
};

struct lock_kind_facts {
	const char *slug;
	const char *words;
};

extern const struct kind_facts kind_facts[NR_KINDS];
extern const struct lock_kind_facts lock_kind_facts[NR_LOCK_KINDS];
extern const char *const grade_slugs[NR_GRADES];

/* The kind or grade with that slug, or -1. */
int kind_find(const char *slug);
int grade_find(const char *slug);
int lock_kind_find(const char *slug);

#endif
