/* records.c - One JSON record into the model; the other half of model.h. */
#include "model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- fields: absent or of another type is 0 or NULL -------------------------------------------------------------- */

static uint64_t number(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	if (json_is_integer(v) && json_integer_value(v) > 0)
		return (uint64_t)json_integer_value(v);
	if (!json_is_string(v))
		return 0;
	/* "0x...": addresses. */
	char *end;
	errno = 0;
	uint64_t n = strtoull(json_string_value(v), &end, 0);
	return errno || *end ? 0 : n;
}

static const char *text(struct model *m, const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	return json_is_string(v) ? mem_copy(&m->mem, json_string_value(v), strlen(json_string_value(v))) : NULL;
}

static bool has(const json_t *o, const char *key)
{
	return json_object_get(o, key) != NULL;
}

/* "write" unless it says "read": the stronger claim is the one that cannot hide a deadlock. */
static const char *mode_of(const json_t *o)
{
	const char *v = json_string_value(json_object_get(o, "mode"));
	return v && strcmp(v, "read") == 0 ? "read" : "write";
}

static const char **texts(struct model *m, const json_t *array, unsigned *nr)
{
	const char **list = mem_take(&m->mem, json_array_size(array) * sizeof *list);
	*nr = 0;
	for (size_t i = 0; i < json_array_size(array); i++) {
		const char *v = json_string_value(json_array_get(array, i));
		if (v)
			list[(*nr)++] = mem_copy(&m->mem, v, strlen(v));
	}
	return list;
}

static struct hold *holds_of(struct model *m, const json_t *array, unsigned *nr)
{
	struct hold *list = mem_take(&m->mem, json_array_size(array) * sizeof *list);
	*nr = 0;
	for (size_t i = 0; i < json_array_size(array); i++) {
		const json_t *h = json_array_get(array, i);
		if (json_is_object(h))
			list[(*nr)++] =
			    (struct hold){ .lock = number(h, "lock"), .stack = number(h, "stack"), .mode = mode_of(h) };
	}
	return list;
}

#define NEW(s, table, of) /* the one of that id, found or made */            \
	({                                                                   \
		uint64_t id_ = number(of, "id");                             \
		__typeof__((s)->table) found_ = NULL;                        \
		HASH_FIND(hh, (s)->table, &id_, sizeof id_, found_);         \
		if (!found_) {                                               \
			found_ = mem_take(&(s)->model->mem, sizeof *found_); \
			found_->id = id_;                                    \
			HASH_ADD(hh, (s)->table, id, sizeof id_, found_);    \
		}                                                            \
		found_;                                                      \
	})
#define KEEP(field, value) /* a later record replaces what it says, and nothing else */ \
	do {                                                                            \
		if (has(o, #field))                                                     \
			x->field = (value);                                             \
	} while (0)

/* ---- records ----------------------------------------------------------------------------------------------------- */

static const char *add_header(struct section *s, const json_t *o)
{
	struct section *x = s;
	struct model *m = s->model;
	s->has_header = true;
	KEEP(pid, number(o, "pid"));
	KEEP(ppid, number(o, "ppid"));
	KEEP(start, number(o, "start"));
	KEEP(format, number(o, "format"));
	KEEP(exe, text(m, o, "exe"));
	KEEP(program, text(m, o, "program"));
	KEEP(arch, text(m, o, "arch"));
	KEEP(options, text(m, o, "options"));
	s->version = text(m, o, "snarl");
	s->args = texts(m, json_object_get(o, "args"), &s->nr_args);
	return NULL;
}

static const char *add_module(struct section *s, const json_t *o)
{
	struct model *m = s->model;
	if (!number(o, "id"))
		return "a module without an id";
	struct module *x = NEW(s, modules, o);
	KEEP(path, text(m, o, "path"));
	KEEP(build_id, text(m, o, "build_id"));
	KEEP(base, number(o, "base"));
	KEEP(end, number(o, "end"));
	x->interpreter |= has(o, "interpreter");
	x->started = s->start;
	x->file = NULL;
	return NULL;
}

static const char *add_stack(struct section *s, const json_t *o)
{
	const json_t *frames = json_object_get(o, "frames");
	if (!number(o, "id"))
		return "a stack without an id";
	if (!json_is_array(frames))
		return "a stack without frames";
	struct stack *x = NEW(s, stacks, o);
	x->frames = mem_take(&s->model->mem, json_array_size(frames) * sizeof *x->frames);
	x->nr = 0;
	x->cut = json_is_true(json_object_get(o, "cut"));
	x->trace = NULL;
	for (size_t i = 0; i < json_array_size(frames); i++) {
		const json_t *f = json_array_get(frames, i);
		if (json_is_object(f) && has(f, "file")) {
			x->frames[x->nr++] = (struct frame_ref){ .file = text(s->model, f, "file"),
								 .function = text(s->model, f, "function"),
								 .line = (unsigned)number(f, "line") };
			continue;
		}
		const json_t *module = json_array_get(f, 0), *offset = json_array_get(f, 1),
			     *exact = json_array_get(f, 2);
		if (!json_is_integer(module) || !(json_is_integer(offset) || json_is_string(offset)))
			return "a frame that is not [module, offset]";
		uint64_t at = json_is_integer(offset) ? (uint64_t)json_integer_value(offset)
						      : strtoull(json_string_value(offset), NULL, 0);
		x->frames[x->nr++] = (struct frame_ref){ .module = (uint64_t)json_integer_value(module),
							 .offset = at,
							 .exact = json_integer_value(exact) == 1 };
	}
	return NULL;
}

static const char *add_thread(struct section *s, const json_t *o)
{
	struct model *m = s->model;
	if (!number(o, "id"))
		return "a thread without an id";
	struct thread *x = NEW(s, threads, o);
	KEEP(tid, number(o, "tid"));
	KEEP(name, text(m, o, "name"));
	KEEP(parent, number(o, "parent"));
	KEEP(created, number(o, "created"));
	KEEP(born_seg, number(o, "born_seg"));
	KEEP(joined_by, number(o, "joined_by"));
	KEEP(joined_seg, number(o, "joined_seg"));
	KEEP(ended, json_is_true(json_object_get(o, "ended")));
	if (has(o, "main"))
		x->is_main = json_is_true(json_object_get(o, "main"));
	return NULL;
}

static const char *add_lock(struct section *s, const json_t *o)
{
	struct model *m = s->model;
	if (!number(o, "id"))
		return "a lock without an id";
	struct lock *x = NEW(s, locks, o);
	x->name = NULL;
	if (has(o, "kind")) {
		x->kind_slug = text(m, o, "kind");
		x->kind = x->kind_slug ? lock_kind_find(x->kind_slug) : -1;
	}
	KEEP(address, number(o, "address"));
	KEEP(module, number(o, "module"));
	KEEP(offset, number(o, "offset"));
	KEEP(init, number(o, "init"));
	KEEP(first, number(o, "first"));
	KEEP(contended, number(o, "contended"));
	KEEP(thread, number(o, "thread"));
	if (has(o, "module"))
		x->is_static = x->module != 0;
	if (has(o, "attrs"))
		x->attrs = texts(m, json_object_get(o, "attrs"), &x->nr_attrs);
	return NULL;
}

static const char *add_edge(struct section *s, const json_t *o)
{
	if (!number(o, "lock"))
		return "an edge without a lock";
	struct edge *x = MEM_PUSH(s->edges, s->nr_edges, s->cap_edges);
	*x = (struct edge){
		.id = number(o, "id"),
		.thread = number(o, "thread"),
		.seg = number(o, "seg"),
		.stack = number(o, "stack"),
		.lock = number(o, "lock"),
		.mode = mode_of(o),
		.how = text(s->model, o, "how"),
	};
	if (!x->how)
		x->how = "block";
	x->held = holds_of(s->model, json_object_get(o, "held"), &x->nr_held);
	return NULL;
}

static struct party party_of(struct model *m, const json_t *o)
{
	const json_t *w = json_object_get(o, "wants");
	struct party p = { .thread = number(o, "thread"), .stack = number(o, "stack"), .role = text(m, o, "role") };
	p.wants_any = json_is_object(w);
	if (p.wants_any)
		p.wants = (struct want){ .lock = number(w, "lock"),
					 .thread = number(w, "thread"),
					 .stack = number(w, "stack"),
					 .mode = mode_of(w),
					 .how = text(m, w, "how"),
					 .call = text(m, w, "call") };
	p.holds = holds_of(m, json_object_get(o, "holds"), &p.nr_holds);
	const json_t *a = json_object_get(o, "access");
	const char *op = json_string_value(json_object_get(a, "op"));
	p.access = (struct access){ number(a, "address"), number(a, "size"), !op || strcmp(op, "read") != 0,
				      json_is_true(json_object_get(a, "freed")) };
	if (!p.role)
		p.role = "";
	return p;
}

static const char *add_finding(struct section *s, const json_t *o)
{
	struct model *m = s->model;
	const json_t *threads = json_object_get(o, "threads"), *locks = json_object_get(o, "locks");
	struct finding *x = mem_take(&m->mem, sizeof *x);
	x->section = s;
	x->id = number(o, "id");
	x->kind_slug = text(m, o, "kind");
	if (!x->kind_slug)
		return "a finding without a kind";
	x->kind = kind_find(x->kind_slug);
	const char *grade = json_string_value(json_object_get(o, "grade"));
	x->grade = grade ? grade_find(grade) : -1;
	if (x->grade < 0)
		x->grade = x->kind >= 0 ? (int)kind_facts[x->kind].grade : GRADE_CONFIRMED;
	x->fingerprint = text(m, o, "fingerprint");
	x->message = text(m, o, "message");
	x->call = text(m, o, "call");
	x->error = text(m, o, "error");
	x->signal = text(m, o, "signal");
	x->parties = mem_take(&m->mem, json_array_size(threads) * sizeof *x->parties);
	for (size_t i = 0; i < json_array_size(threads); i++)
		if (json_is_object(json_array_get(threads, i)))
			x->parties[x->nr_parties++] = party_of(m, json_array_get(threads, i));
	x->locks = mem_take(&m->mem, json_array_size(locks) * sizeof *x->locks);
	for (size_t i = 0; i < json_array_size(locks); i++)
		if (json_integer_value(json_array_get(locks, i)) > 0)
			x->locks[x->nr_locks++] = (uint64_t)json_integer_value(json_array_get(locks, i));
	x->flag = json_is_true(json_object_get(o, "flag"));
	x->chance = json_is_true(json_object_get(o, "chance"));
	const json_t *u = json_object_get(o, "usual"), *p = json_object_get(o, "place");
	x->usual.lock = number(u, "lock");
	x->usual.held = number(u, "held");
	x->usual.all = x->usual.lock ? number(u, "of") : 0;
	x->place = (struct place){ .what = text(m, p, "what"),
				   .address = number(p, "address"),
				   .module = number(p, "module"),
				   .offset = number(p, "offset"),
				   .start = number(p, "start"),
				   .size = number(p, "size"),
				   .stack = number(p, "stack"),
				   .thread = number(p, "thread") };
	*MEM_PUSH(m->findings, m->nr_findings, m->cap_findings) = x;
	return NULL;
}

static const char *add_stats(struct section *s, const json_t *o)
{
	const char *degraded = text(s->model, o, "degraded"), *note = text(s->model, o, "note");
	if (degraded || note)
		*MEM_PUSH(s->notes, s->nr_notes, s->cap_notes) =
		    (struct note){ degraded ? degraded : note, number(o, "count"), degraded != NULL };
	return NULL;
}

static const char *add_end(struct section *s, const json_t *o)
{
	/* exec can fail and the program go on: what comes last counts. */
	s->over = true;
	s->reason = text(s->model, o, "reason");
	s->end_locks = number(o, "locks");
	s->end_edges = number(o, "edges");
	s->end_cycles = number(o, "cycles");
	s->end_threads = number(o, "threads");
	s->end_findings = number(o, "findings");
	s->end_folded = number(o, "folded");
	s->end_sites = number(o, "sites");
	s->end_watched = number(o, "watched");
	s->end_elsewhere = number(o, "elsewhere");
	return NULL;
}

/* A header written again before anything else was: the section goes on. */
static bool same_again(const struct section *s, const json_t *header)
{
	return s && s->has_header && !s->over && s->nr_records == 0 && s->pid == number(header, "pid");
}

static const char *const no_header = "a record before any header";

const char *model_add(struct model *m, struct section **s, const char *file, json_t *record)
{
	static const struct {
		const char *type;
		const char *(*add)(struct section *, const json_t *);
	} types[] = {
		{ "header", add_header },   { "module", add_module }, { "stack", add_stack },
		{ "thread", add_thread },   { "lock", add_lock },     { "edge", add_edge },
		{ "finding", add_finding }, { "stats", add_stats },   { "end", add_end },
	};
	const char *type = json_string_value(json_object_get(record, "type"));
	if (!json_is_object(record))
		return "not a JSON object";
	if (!type)
		return "a record without a type";
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		if (strcmp(types[i].type, type) != 0)
			continue;
		if (types[i].add == add_header) {
			if (!same_again(*s, record))
				*s = model_section(m, file);
			return add_header(*s, record);
		}
		bool orphan = !*s;
		if (orphan)
			*s = model_section(m, file);
		(*s)->nr_records++;
		const char *why = types[i].add(*s, record);
		return orphan && !why ? no_header : why;
	}
	return NULL; /* from a later version */
}
