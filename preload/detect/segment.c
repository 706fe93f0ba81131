/*
 * segment.c - Births, joins, and what they put in order.
 *
 * Every thread is born once and joined at most once, so from a moment there is one way up through joins (its thread
 * ends in its joiner, that one in its own joiner, ...) and to a moment one way down through births. A path of
 * create/join order is made of ups and downs; "down into a child, then up to its own parent again" only loses time, so
 * a useful turn upwards is a join by somebody else than the parent, a foreign join. Without any (nearly every program)
 * the question is whether the joins above the one moment meet the births above the other, and ancestors are found by
 * skip pointers: no search at all. Only with foreign joins the paths through them are swept, in order of time.
 */
#include "detect/segment.h"

#include "base/arena.h"
#include "base/spin.h"

enum { CHUNK_BITS = 10, CHUNK = 1 << CHUNK_BITS, MEMO = 4096 };

struct life {
	uint32_t parent, born_seg;    /* 0: not known to have been created */
	uint32_t joiner, joined_seg;  /* 0: not joined */
	uint32_t depth, skip;         /* among its ancestors; one of them, for long steps */
	uint32_t last_birth;          /* segment after its latest pthread_create, 0 none yet */
	uint32_t last_join;           /* segment after its latest pthread_join, 0 none yet */
	uint32_t reached, reached_at; /* by the sweep of this number: from that segment on */
	uint32_t first_foreign;       /* of the foreign joins, the first that came after it was first heard of */
	bool known;
};

struct foreign {
	uint32_t child, joiner, seg;
};

struct memo {
	uint32_t a, sa, b, sb; /* a == 0: empty */
	bool yes;
};

struct fork_point {
	uint32_t thread, seg;
};

static struct spin lock = SPIN_INIT(RANK_SEGMENT);
static struct life **chunks;
static uint32_t room; /* for chunks */
static struct foreign *foreign;
static uint32_t nr_foreign, room_foreign, sweep;
static struct memo *memo;
static struct fork_point forks[8];
static uint32_t nr_forks;
static uint64_t dropped;

static struct life *life_find(uint32_t thread)
{
	uint32_t i = thread >> CHUNK_BITS;
	return thread && i < room && chunks[i] ? &chunks[i][thread & (CHUNK - 1)] : NULL;
}

static struct life *life_get(uint32_t thread)
{
	uint32_t i = thread >> CHUNK_BITS;
	if (!thread)
		return NULL;
	if (i >= room) {
		uint32_t more = room ? room : 16;
		while (more <= i)
			more *= 2;
		struct life **dir = arena_calloc(more, sizeof *dir);
		if (!dir)
			return NULL;
		for (uint32_t j = 0; j < room; j++)
			dir[j] = chunks[j];
		if (chunks)
			arena_free(chunks);
		chunks = dir;
		room = more;
	}
	if (!chunks[i])
		chunks[i] = arena_alloc(CHUNK * sizeof **chunks);
	struct life *l = chunks[i] ? &chunks[i][thread & (CHUNK - 1)] : NULL;
	if (l && !l->known) {
		l->known = true;
		l->first_foreign = nr_foreign;
	}
	return l;
}

void segment_born(uint32_t child, uint32_t parent, uint32_t seg)
{
	spin_lock(&lock);
	struct life *p = life_get(parent), *c = life_get(child);
	/* Whoever has children was born already: so the births are a forest, whatever we are told. */
	if (p && c && !c->parent && !c->last_birth && child != parent) {
		c->parent = parent;
		c->born_seg = seg;
		c->depth = p->depth + 1;
		/* Skip pointers by Myers: equal jumps double, so that an ancestor of any depth is O(log depth) away. */
		const struct life *q = life_find(p->skip);
		c->skip = q && p->depth - q->depth == q->depth - (q->skip ? life_find(q->skip)->depth : 0) && q->skip
			      ? q->skip
			      : parent;
		if (seg + 1 > p->last_birth)
			p->last_birth = seg + 1;
	} else if (!p || !c) {
		dropped++;
	}
	spin_unlock(&lock);
}

static void add_foreign(uint32_t child, uint32_t joiner, uint32_t seg)
{
	if (nr_foreign == room_foreign) {
		uint32_t more = room_foreign ? 2 * room_foreign : 64;
		struct foreign *f = arena_realloc(foreign, more * sizeof *f);
		if (!f) {
			dropped++;
			return;
		}
		foreign = f;
		room_foreign = more;
	}
	foreign[nr_foreign++] = (struct foreign){ child, joiner, seg };
}

void segment_joined(uint32_t child, uint32_t joiner, uint32_t seg)
{
	spin_lock(&lock);
	struct life *j = life_get(joiner), *c = life_get(child);
	/* Whoever was joined joins nobody: so the way up through joins ends, whatever we are told. */
	if (j && c && !c->joiner && !j->joiner && child != joiner) {
		c->joiner = joiner;
		c->joined_seg = seg;
		j->last_join = seg;
		/* One that was never seen being created has no way down to it, so none down and up again. */
		if (c->parent && c->parent != joiner)
			add_foreign(child, joiner, seg);
	} else if (!j || !c) {
		dropped++;
	}
	spin_unlock(&lock);
}

bool segment_is_joined(uint32_t thread)
{
	spin_lock(&lock);
	const struct life *l = life_find(thread);
	bool yes = l && l->joiner;
	spin_unlock(&lock);
	return yes;
}

bool segment_joins_since(uint32_t thread, uint32_t seg)
{
	spin_lock(&lock);
	const struct life *l = life_find(thread);
	bool yes = l && l->last_join > seg;
	spin_unlock(&lock);
	return yes;
}

/* Is (x, seg) above (b, sb) by births alone: b itself later, or one whose ancestor x created no earlier than in seg? */
static bool bears(uint32_t x, uint32_t seg, uint32_t b, uint32_t sb)
{
	if (x == b)
		return seg <= sb;
	const struct life *lx = life_find(x), *l = life_find(b);
	if (!lx || !l || lx->last_birth <= seg || l->depth <= lx->depth)
		return false;
	while (l->depth > lx->depth + 1) {
		const struct life *far = life_find(l->skip);
		l = far->depth > lx->depth ? far : life_find(l->parent);
	}
	return l->parent == x && l->born_seg >= seg;
}

static void reach(uint32_t x, uint32_t seg)
{
	struct life *l;
	for (; x && (l = life_find(x)) && (l->reached != sweep || l->reached_at > seg);
	     seg = l->joined_seg, x = l->joiner) {
		l->reached = sweep;
		l->reached_at = seg;
	}
}

/* Is the start of thread c below something reached? */
static bool start_reached(uint32_t c)
{
	for (const struct life *l = life_find(c); l && l->parent;) {
		const struct life *p = life_find(l->parent);
		if (p->reached == sweep && p->reached_at <= l->born_seg)
			return true;
		l = p;
	}
	return false;
}

/*
 * Through foreign joins: in order of time, for a path meets them in that order. Its last join leads to a thread that is
 * b or an ancestor of b, so without one of those that ever joined there is nothing to sweep.
 */
static bool sweep_foreign(uint32_t a, uint32_t sa, uint32_t b, uint32_t sb)
{
	bool possible = false;
	for (uint32_t x = b; x && !possible; x = life_find(x)->parent)
		possible = life_find(x)->last_join;
	if (!possible)
		return false;
	sweep++;
	reach(a, sa);
	for (uint32_t i = life_find(a)->first_foreign; i < nr_foreign; i++) {
		const struct foreign *f = &foreign[i];
		const struct life *j = life_find(f->joiner);
		if (j->reached == sweep && j->reached_at <= f->seg)
			continue;
		if (start_reached(f->child))
			reach(f->joiner, f->seg);
	}
	const struct life *l = life_find(b);
	return (l->reached == sweep && l->reached_at <= sb) || start_reached(b);
}

static bool memo_sweep(uint32_t a, uint32_t sa, uint32_t b, uint32_t sb)
{
	if (!memo && !(memo = arena_map(MEMO * sizeof *memo)))
		return sweep_foreign(a, sa, b, sb);
	uint64_t h = ((uint64_t)a << 32 | b) * 0x9e3779b97f4a7c15u;
	h = (h ^ h >> 29 ^ ((uint64_t)sa << 32 | sb)) * 0xbf58476d1ce4e5b9u;
	struct memo *m = &memo[h >> 52];
	/* The answer for two segments that have been entered is settled: paths end before the later one starts. */
	if (m->a != a || m->sa != sa || m->b != b || m->sb != sb)
		*m = (struct memo){ a, sa, b, sb, sweep_foreign(a, sa, b, sb) };
	return m->yes;
}

static bool before(uint32_t a, uint32_t sa, uint32_t b, uint32_t sb)
{
	const struct life *l = life_find(a);
	if (!l || !life_find(b))
		return false;
	bool may_turn = false;
	uint32_t x = a, seg = sa;
	for (;;) {
		if (bears(x, seg, b, sb))
			return true;
		may_turn |= l->last_birth > seg;
		if (!l->joiner)
			break;
		seg = l->joined_seg;
		x = l->joiner;
		l = life_find(x);
	}
	return may_turn && life_find(a)->first_foreign < nr_foreign && memo_sweep(a, sa, b, sb);
}

bool segment_ordered(uint32_t thread_a, uint32_t seg_a, uint32_t thread_b, uint32_t seg_b)
{
	if (thread_a == thread_b)
		return true;
	spin_lock(&lock);
	bool yes = before(thread_a, seg_a, thread_b, seg_b) || before(thread_b, seg_b, thread_a, seg_a);
	/* A fork is a wall: what descends from it cannot meet anything of before, whose threads are not in this
	 * process. */
	for (uint32_t i = 0; i < nr_forks && !yes; i++)
		yes = before(forks[i].thread, forks[i].seg, thread_a, seg_a) !=
		      before(forks[i].thread, forks[i].seg, thread_b, seg_b);
	spin_unlock(&lock);
	return yes;
}

void segment_forked(uint32_t thread, uint32_t seg)
{
	spin_lock(&lock);
	life_get(thread);
	/* Later walls stand behind earlier ones; of too many the oldest goes, its threads are all dead long since. */
	if (nr_forks == ARRAY_SIZE(forks))
		for (uint32_t i = 1; i < nr_forks; i++)
			forks[i - 1] = forks[i];
	else
		nr_forks++;
	forks[nr_forks - 1] = (struct fork_point){ thread, seg };
	spin_unlock(&lock);
}

uint64_t segment_dropped(void)
{
	return dropped;
}

void segment_fork_child(void)
{
	spin_reset(&lock);
}
