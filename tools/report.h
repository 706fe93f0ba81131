/*
 * report.h - From a model to what is said about it: which findings, how often, and what the whole comes to.
 *
 * `report`, `report --follow` and `run` share it: each fills the model its own way and calls report_new whenever there
 * may be something new.
 */
#ifndef SNARL_TOOLS_REPORT_H
#define SNARL_TOOLS_REPORT_H

#include "out.h"
#include "suppressions.h"

/* One finding, however many processes had it. */
struct fold {
	const char *key; /* kind and fingerprint */
	const struct finding *first;
	uint64_t count;
	size_t number; /* in the order of finding */
	uint64_t *pids;
	size_t nr_pids, cap_pids;
	struct suppression *rule;   /* what silences it */
	bool known;                 /* it is in the baseline */
	const struct fold *covered; /* a deadlock that happened with the same locks: says more */
	UT_hash_handle hh;
};

struct report {
	struct model model;
	struct symbols symbols;
	struct names names;
	struct suppressions suppressions;
	struct baseline *baseline;
	bool has_baseline;
	struct out out;
	bool verbose;
	enum grade fail_on;
	size_t races_told; /* as text */
	size_t next;       /* finding not looked at yet */
	long unripe_since; /* ms; 0: nothing is held back */
	struct fold *folds;
	struct fold **fresh; /* not shown yet */
	size_t nr_fresh, cap_fresh;
};

void report_init(struct report *r, int fd, bool verbose);
void report_free(struct report *r);

/*
 * Folds what the model has new; each finding not seen before goes to `show`, the surest first, unless it is suppressed
 * or only advice.
 */
void report_new(struct report *r, void (*show)(struct report *, const struct fold *), bool at_end);
/* Something is held back for a moment: call again soon. */
bool report_waits(const struct report *r);

struct report_counts {
	uint64_t findings, advice, suppressed; /* different ones */
	uint64_t known;                        /* in the baseline: neither of these */
	uint64_t repeated;                     /* more of the same */
	uint64_t covered;                      /* not shown, because a deadlock says more */
	uint64_t by_kind[NR_KINDS + 1];        /* findings without advice; the last is for unknown kinds */
	uint64_t failing;                      /* at or above fail_on, unsuppressed */
};

void report_count(const struct report *r, struct report_counts *c);
/* Shown without being asked for? */
bool report_is_news(const struct report *r, const struct fold *f);

/* report_text.c */
void report_text_finding(struct report *r, const struct fold *f);
/* What was left out of it. */
void report_text_rest(struct report *r);
/* report_ring.c: the table of who did what first. */
void report_text_scenario(struct report *r, const struct finding *f);
/* In a ring each party wants what the next one holds. */
bool report_is_ring(const struct finding *f);
const struct hold *report_ring_hold(const struct finding *f, unsigned party);
/* report_race.c */
void report_race_story(struct report *r, const struct finding *f);
void report_race_party(struct report *r, const struct finding *f, const struct party *p);
/* One side gave the memory back. */
bool report_race_freed(const struct finding *f);
void report_race_place(struct report *r, const struct finding *f);
/* Both sides are atomic, as debug information or the source tells: no race at all. */
bool report_race_atomic(struct report *r, const struct finding *f);
/* What makes two of them one to a reader; NULL: only the fingerprint does. */
const char *report_race_key(struct report *r, const struct finding *f);
/* report_frames.c */
/* A function's name, without the bulk of its template arguments unless --verbose. */
const char *report_function(struct report *r, const char *name);
void report_text_stack(struct report *r, const struct trace *t, unsigned indent);
void report_meet(struct report *r, const struct finding *f);

/* summary.c: what was lost, what is unknown, and the one line for the whole tree. */
struct summary_hints {
	uint64_t child; /* `run`: the pid that had to answer, 0 otherwise */
};
void summary_text(struct report *r, const struct summary_hints *h);
void summary_notes(struct report *r);
/* Was there anything that was not seen to its end? */
bool summary_incomplete(const struct report *r, const struct section *s);

/* report_json.c */
json_t *report_json_finding(struct report *r, const struct fold *f);
json_t *report_json(struct report *r);

#endif
