#include "detect/emit.h"

#include "base/arena.h"
#include "base/fmt.h"
#include "base/spin.h"
#include "base/sys.h"
#include "core/depot.h"
#include "core/journal.h"
#include "core/module.h"
#include "core/object.h"
#include "core/python.h"
#include "core/thread.h"
#include "detect/emit_facts.h"
#include "detect/emit_line.h"
#include "detect/emit_fields.h"
#include "detect/fingerprint.h"
#include "detect/guard.h"
#include "detect/race_inside.h"
#include "detect/race_set.h"
#include "detect/segment.h"
#include "wire/journal.h"

#include <string.h>

#define FIRST_BYTES (64u << 10)
#define SEEN 4096u

static struct spin lock = SPIN_INIT(RANK_EMIT);
static struct spin start_lock = SPIN_INIT(RANK_FORK); /* who starts the report, before the first finding */
static void (*before_first)(void);
static bool first_done, advice_counts;
static _Atomic uint64_t count[NR_GRADES];
static uint32_t nr_findings;
static uint64_t seen[SEEN]; /* fingerprints, open addressing; full: everything counts as new no more */
static uint64_t folded, lost_seen;

static char *text;
static size_t text_cap;

void emit_begin(void) { spin_lock(&lock); }
void emit_done(void) { spin_unlock(&lock); }

/* Starts a line in the common buffer. */
struct fmt emit_line_start(void)
{
	if (!text) {
		text = arena_map(FIRST_BYTES);
		text_cap = text ? FIRST_BYTES : 0;
	}
	return fmt_on(text, text_cap);
}

/* Ends it; false: it did not fit and the buffer has been doubled, do it again. */
bool emit_line_end(struct fmt *f)
{
	fmt_c(f, '\n');
	if (!f->cut) {
		journal_line(f->buf, f->len);
		return true;
	}
	char *bigger = text_cap < 64u << 20 ? arena_map(text_cap * 2) : NULL;
	if (!bigger)
		return true; /* lost, and counted by the arena */
	arena_unmap(text, text_cap);
	text = bigger;
	text_cap *= 2;
	return false;
}

void emit_module(const struct module *m)
{
	struct fmt f;
	do {
		f = emit_line_start();
		field_u(&f, "{\"type\":\"module\",\"id\":", m->id);
		field_s(&f, ",\"path\":", m->path ? m->path : "");
		fmt_str(&f, ",\"build_id\":\"");
		for (uint32_t i = 0; i < m->build_id_len; i++)
			fmt_hex_pad(&f, m->build_id[i], 2);
		fmt_str(&f, "\",\"base\":\"0x");
		fmt_hex(&f, m->bias);
		fmt_str(&f, "\",\"end\":\"0x");
		fmt_hex(&f, m->hi);
		fmt_str(&f, m->id == python_module() ? "\",\"interpreter\":\"python\"}" : "\"}");
	} while (!emit_line_end(&f));
}

void emit_stack_line(uint32_t id, const struct depot_stack *s)
{
	struct fmt f;
	do {
		f = emit_line_start();
		field_u(&f, "{\"type\":\"stack\",\"id\":", id);
		fmt_str(&f, ",\"frames\":[");
		for (unsigned i = 0; i < s->nr; i++) {
			if (s->frame[i].module == DEPOT_PYTHON) {
				const struct python_place *p = python_place(s->frame[i].offset);
				field_s(&f, i ? ",{\"file\":" : "{\"file\":", p->file);
				field_u(&f, ",\"line\":", p->line);
				field_s(&f, ",\"function\":", p->function);
				fmt_c(&f, '}');
				continue;
			}
			field_u(&f, i ? ",[" : "[", s->frame[i].module);
			field_u(&f, ",", s->frame[i].offset);
			fmt_str(&f, s->frame[i].exact ? ",1]" : "]");
		}
		fmt_str(&f, s->cut ? "],\"cut\":true}" : "]}");
	} while (!emit_line_end(&f));
}

void emit_thread_line(struct thread_info *t)
{
	struct fmt f;
	do {
		f = emit_line_start();
		field_u(&f, "{\"type\":\"thread\",\"id\":", t->id);
		field_u(&f, ",\"tid\":", (uint64_t)t->tid);
		field_s(&f, ",\"name\":", t->given[0] ? t->given : t->name);
		field_u(&f, ",\"parent\":", t->parent);
		field_u(&f, ",\"created\":", t->created);
		field_u(&f, ",\"born_seg\":", t->born_seg);
		if (t->flags & THREAD_MAIN)
			fmt_str(&f, ",\"main\":true");
		if (t->flags & THREAD_ENDED)
			fmt_str(&f, ",\"ended\":true");
		if (t->joined_by) {
			field_u(&f, ",\"joined_by\":", t->joined_by);
			field_u(&f, ",\"joined_seg\":", t->joined_seg);
		}
		fmt_c(&f, '}');
	} while (!emit_line_end(&f));
}

void emit_lock_line(struct object *o)
{
	static const char *const attr_words[] = { "robust", "pi", "pp", "pshared", "prefer-writer" };
	const struct module *m = o->place == PLACE_STATIC ? module_find(o->addr) : NULL;
	struct fmt f;
	do {
		f = emit_line_start();
		field_lock(&f, "{\"type\":\"lock\",\"id\":", o->id);
		field_s(&f, ",\"kind\":", lock_kind_facts[o->kind].slug);
		fmt_str(&f, ",\"address\":\"0x");
		fmt_hex(&f, o->addr);
		fmt_c(&f, '"');
		if (m) {
			field_u(&f, ",\"module\":", m->id);
			field_u(&f, ",\"offset\":", o->addr - m->bias);
		}
		if (o->init_stack)
			field_u(&f, ",\"init\":", o->init_stack);
		if (o->first_stack)
			field_u(&f, ",\"first\":", o->first_stack);
		fmt_str(&f, ",\"attrs\":[");
		for (unsigned i = 0, any = 0; i < ARRAY_SIZE(attr_words); i++)
			if (o->attrs >> i & 1) {
				if (any++)
					fmt_c(&f, ',');
				fmt_json(&f, attr_words[i]);
			}
		field_u(&f, "],\"contended\":", o->contended);
		fmt_c(&f, '}');
	} while (!emit_line_end(&f));
}

void emit_holds(struct fmt *f, const struct order_hold *h, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		field_lock(f, i ? ",{\"lock\":" : "{\"lock\":", h[i].lock);
		field_s(f, ",\"mode\":", mode_word(h[i].key));
		field_u(f, ",\"stack\":", h[i].stack);
		fmt_c(f, '}');
	}
}

static void put_thread(struct fmt *f, const struct finding_thread *t)
{
	field_u(f, "{\"thread\":", t->thread);
	field_s(f, ",\"role\":", t->role);
	if (t->stack)
		field_u(f, ",\"stack\":", t->stack);
	if (t->wants) {
		fmt_str(f, ",\"wants\":{");
		if (t->want_thread)
			field_u(f, "\"thread\":", t->want_thread);
		else
			field_lock(f, "\"lock\":", t->want_lock);
		field_s(f, ",\"mode\":", mode_word(t->want_key));
		field_s(f, ",\"how\":", how_word(t->want_key));
		field_u(f, ",\"stack\":", t->want_stack);
		if (t->call)
			field_s(f, ",\"call\":", t->call);
		fmt_c(f, '}');
	}
	if (t->nr_holds) {
		fmt_str(f, ",\"holds\":[");
		emit_holds(f, t->holds, t->nr_holds);
		fmt_c(f, ']');
	}
	if (t->access)
		emit_put_access(f, t->access);
	fmt_c(f, '}');
}

static void put_finding(const struct finding *x, int grade, uint64_t print)
{
	struct fmt f;
	do {
		f = emit_line_start();
		field_u(&f, "{\"type\":\"finding\",\"id\":", nr_findings);
		field_s(&f, ",\"kind\":", kind_facts[x->kind].slug);
		field_s(&f, ",\"grade\":", grade_slugs[grade]);
		fmt_str(&f, ",\"fingerprint\":\"");
		fmt_hex_pad(&f, print, 16);
		field_s(&f, "\",\"message\":", x->message);
		if (x->call)
			field_s(&f, ",\"call\":", x->call);
		if (x->error)
			field_s(&f, ",\"error\":", x->error);
		fmt_str(&f, ",\"locks\":[");
		for (unsigned i = 0; i < x->nr_locks; i++)
			field_lock(&f, i ? "," : "", x->lock[i]);
		fmt_str(&f, "],\"threads\":[");
		for (unsigned i = 0; i < x->nr_threads; i++) {
			if (i)
				fmt_c(&f, ',');
			put_thread(&f, &x->thread[i]);
		}
		fmt_c(&f, ']');
		if (x->place)
			emit_put_place(&f, x->place);
		if (x->flag)
			fmt_str(&f, ",\"flag\":true");
		if (x->chance)
			fmt_str(&f, ",\"chance\":true");
		if (x->usual.all) {
			field_lock(&f, ",\"usual\":{\"lock\":", x->usual.lock);
			field_u(&f, ",\"held\":", x->usual.held);
			field_u(&f, ",\"of\":", x->usual.all);
			fmt_c(&f, '}');
		}
		fmt_c(&f, '}');
	} while (!emit_line_end(&f));
}

/* True when it is new. */
static bool remember(uint64_t print)
{
	print |= !print;
	uint32_t i = (uint32_t)print % SEEN;
	for (uint32_t n = 0; n < SEEN / 2; n++, i = (i + 1) % SEEN) {
		if (seen[i] == print)
			return false;
		if (!seen[i]) {
			seen[i] = print;
			return true;
		}
	}
	lost_seen++;
	return false;
}

static void facts_of(const struct finding *x)
{
	for (unsigned i = 0; i < x->nr_threads; i++) {
		const struct finding_thread *t = &x->thread[i];
		emit_thread_fact(t->thread);
		emit_stack_fact(t->stack);
		emit_thread_fact(t->want_thread);
		emit_lock_fact(t->want_lock);
		emit_stack_fact(t->want_stack);
		for (unsigned h = 0; h < t->nr_holds; h++) {
			emit_lock_fact(t->holds[h].lock);
			emit_stack_fact(t->holds[h].stack);
		}
	}
	for (unsigned i = 0; i < x->nr_locks; i++)
		emit_lock_fact(x->lock[i]);
	if (x->usual.all)
		emit_lock_fact(x->usual.lock);
	if (x->place) {
		emit_module_fact(x->place->module);
		emit_thread_fact(x->place->thread);
		emit_stack_fact(x->place->stack);
	}
}

bool emit_finding(const struct finding *x)
{
	uint64_t print = fingerprint_of(x);
	int grade = x->grade >= 0 ? x->grade : (int)kind_facts[x->kind].grade;
	/* Advice alone wakes nobody: without a journal it waits for a finding worth reading. */
	if (grade == GRADE_ADVICE && !advice_counts && !journal_has_file() && !journal_has_socket()) {
		atomic_fetch_add(&count[grade], 1);
		return true;
	}
	if (grade > GRADE_ADVICE || advice_counts) {
		spin_lock(&start_lock);
		if (!first_done && before_first) {
			first_done = true;
			before_first();
		}
		spin_unlock(&start_lock);
	}
	/* In one go: whoever finds it known may end the process next, and it must have been written by then. */
	spin_lock(&lock);
	bool fresh = remember(print);
	if (fresh) {
		nr_findings++;
		facts_of(x);
		put_finding(x, grade, print);
		atomic_fetch_add(&count[grade], 1);
	} else {
		folded++;
	}
	spin_unlock(&lock);
	return fresh;
}

void emit_before_first(void (*f)(void), bool advice_too)
{
	before_first = f;
	advice_counts = advice_too;
}

void emit_first_again(void)
{
	spin_lock(&start_lock);
	first_done = false;
	spin_unlock(&start_lock);
}

void emit_header(int pid, int ppid, const char *exe, const char *args, size_t args_len, const char *options)
{
	struct fmt f;
	spin_lock(&lock);
	do {
		f = emit_line_start();
		field_u(&f, "{\"type\":\"header\",\"format\":", JOURNAL_FORMAT);
		field_s(&f, ",\"snarl\":", SNARL_VERSION);
		field_u(&f, ",\"pid\":", (uint64_t)pid);
		field_u(&f, ",\"ppid\":", (uint64_t)ppid);
		field_s(&f, ",\"exe\":", exe);
		fmt_str(&f, ",\"args\":[");
		for (size_t at = 0; at < args_len;) {
			size_t n = strnlen(args + at, args_len - at);
			if (at)
				fmt_c(&f, ',');
			fmt_json_mem(&f, args + at, n);
			at += n + 1;
		}
		field_u(&f, "],\"start\":", sys_wall_ns());
		fmt_str(&f, ",\"arch\":\"x86_64\"");
		field_s(&f, ",\"options\":", options);
		fmt_c(&f, '}');
	} while (!emit_line_end(&f));
	spin_unlock(&lock);
}

static void put_count(const char *what, uint64_t n)
{
	struct fmt f;
	if (!n)
		return;
	do {
		f = emit_line_start();
		field_s(&f, "{\"type\":\"stats\",\"degraded\":", what);
		field_u(&f, ",\"count\":", n);
		fmt_c(&f, '}');
	} while (!emit_line_end(&f));
}

void emit_note(const char *note)
{
	struct fmt f;
	spin_lock(&lock);
	do {
		f = emit_line_start();
		field_s(&f, "{\"type\":\"stats\",\"note\":", note);
		fmt_c(&f, '}');
	} while (!emit_line_end(&f));
	spin_unlock(&lock);
}

static const char *_Atomic no_races;

void emit_no_races(const char *why) { atomic_store(&no_races, why); }

static void put_no_races(void)
{
	char words[256];
	struct fmt t = fmt_on(words, sizeof words - 1), f;
	const char *never = atomic_load(&no_races), *why = never ? never : race_stopped;
	if (!why)
		return;
	fmt_str(&t, never ? "data races were not looked for: " : "data races were looked for no longer, from some point on: ");
	fmt_str(&t, why);
	fmt_end(&t);
	do {
		f = emit_line_start();
		field_s(&f, "{\"type\":\"stats\",\"degraded\":", words);
		fmt_c(&f, '}');
	} while (!emit_line_end(&f));
}

static _Atomic uint64_t sites_all, sites_watched, sites_elsewhere;
static const char *_Atomic sites_refused;

void emit_watched(uint64_t sites, uint64_t watched, uint64_t elsewhere, const char *refused)
{
	atomic_store(&sites_elsewhere, elsewhere);
	atomic_store(&sites_refused, refused);
	atomic_store(&sites_all, sites);
	atomic_store(&sites_watched, watched);
}

void emit_end(const char *reason)
{
	struct order_stats s;
	order_stats(&s);
	uint64_t left_out = emit_edges_end(s.deps);
	spin_lock(&lock);
	emit_threads_again();
	emit_locks_again();
	put_count("dependencies left out of the journal (limit 100000)", left_out);
	put_count("dependencies dropped (memory)", s.dropped);
	put_count("edges dropped (limit)", s.limited);
	put_count("chains of locks let go (more than 2 million)", s.let_go);
	put_count("occurrences of a dependency merged (more than 32)", s.merged);
	put_count("births and joins of threads not recorded (memory)", segment_dropped());
	put_count("cycle searches given up at their budget", s.cut);
	put_count("accesses whose stack or locks could not be kept (memory)", race_contexts_lost());
	put_count("places whose guarding lock was not counted (limit 65536)", guard_lost());
	put_count("synchronisation objects let go, so that races may have been missed (more than 2 million)", sync_count());
	put_no_races();
	put_count("objects not registered (memory)", object_dropped());
	put_count("requests for memory refused (memory_limit)", arena_refused());
	put_count("journal lines lost (disk full or limit)", journal_lost());
	put_count("findings beyond what can be told apart", lost_seen);
	struct fmt f;
	do {
		f = emit_line_start();
		field_s(&f, "{\"type\":\"end\",\"reason\":", reason);
		field_u(&f, ",\"locks\":", object_count());
		field_u(&f, ",\"edges\":", s.edges);
		field_u(&f, ",\"cycles\":", s.cycles);
		field_u(&f, ",\"threads\":", thread_count());
		field_u(&f, ",\"findings\":", nr_findings);
		field_u(&f, ",\"folded\":", folded);
		if (sites_all) {
			field_u(&f, ",\"sites\":", sites_all);
			field_u(&f, ",\"watched\":", sites_watched);
			if (sites_elsewhere)
				field_u(&f, ",\"elsewhere\":", sites_elsewhere);
			if (sites_refused && *sites_refused)
				field_s(&f, ",\"unwatched\":", sites_refused);
		}
		fmt_c(&f, '}');
	} while (!emit_line_end(&f));
	spin_unlock(&lock);
}

uint64_t emit_findings(enum grade least)
{
	uint64_t n = 0;
	for (int g = (int)least; g < NR_GRADES; g++)
		n += atomic_load(&count[g]);
	return n;
}

void emit_again(void)
{
	spin_lock(&lock);
	emit_facts_reset();
	spin_unlock(&lock);
}

void emit_fork_child(void)
{
	spin_reset(&lock);
	spin_reset(&start_lock);
	memset(seen, 0, sizeof seen);
	memset((void *)count, 0, sizeof count);
	first_done = false;
	nr_findings = 0;
	folded = lost_seen = 0;
	emit_edges_fork_child();
	emit_facts_reset();
}
