/*
 * clock.c - Vector clocks over slots that are used again.
 *
 * A slot's clock never goes back: the next thread in it goes on from where the last one ended. If the new thread comes after
 * the end of the old one (it was joined, and the joiner is among its causes) all that the old one did is ordered before
 * everything the new one does, and the two may be one line of the vector without anything being lost. Such a slot is
 * preferred. Slots of threads nobody joined are used again only when many lie idle, the longest idle first: then others
 * that hear of the new thread seem to have heard of the old one too, which can hide a race with a thread that is long gone,
 * and never makes one up.
 */
#include "detect/race_inside.h"

#include "base/arena.h"
#include "base/spin.h"
#include "detect/hybrid.h"

#define IDLE_ENOUGH 64u
#define TCB_BYTES   2304u      /* glibc's struct pthread, which pthread_t points to */
#define MAX_STACK   (1ul << 40) /* else the one has nothing to do with the other */

struct term {
	uint32_t from, thread; /* the clock it began with, its id */
};

struct slot {
	struct race_thread *rt;
	struct term *term; /* newest last */
	uint32_t nr_terms, room;
	uint32_t final; /* of the last thread that ended */
	uint32_t idle_since; /* 0: taken */
};

__thread struct race_tls race_tls __attribute__((tls_model("initial-exec"))) = { .write_tag = ~0ull };

static struct spin lock = SPIN_INIT(RANK_RACE);
static struct slot slots[RACE_SLOTS];
static _Atomic uint32_t width = 1;
static uint32_t nr_idle, endings;

uint32_t clock_width(void) { return atomic_load_explicit(&width, memory_order_acquire); }

struct race_thread *clock_slot(uint32_t slot) { return slot < clock_width() ? slots[slot].rt : NULL; }

uint32_t clock_owner(uint32_t slot, uint32_t clock)
{
	uint32_t id = 0;
	spin_lock(&lock);
	if (slot < width)
		for (uint32_t i = slots[slot].nr_terms; i-- > 0 && !id;)
			if (slots[slot].term[i].from <= clock)
				id = slots[slot].term[i].thread;
	spin_unlock(&lock);
	return id;
}

void race_tag_step(struct race_thread *rt)
{
	if (unlikely(race_hybrid)) {
		hybrid_tag_step(rt);
		return;
	}
	/* xorshift64. One or two further on: none comes around soon, and none after a fixed number of releases. */
	uint64_t x = rt->random;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	rt->random = x;
	uint64_t tag = rt->tag + 1 + (x >> 32) % 2;
	tag -= tag > RACE_TAGS ? RACE_TAGS : 0;
	rt->tag = (uint32_t)tag;
	race_tls.write_tag = (tag << 1 | 1) * 0x0101010101010101ull;
}

uint32_t clock_release(struct race_thread *rt)
{
	uint32_t clock = race_clock(rt);
	if (!rt->nonempty)
		return clock - 1;
	if (unlikely(clock >= UINT32_MAX - 1)) {
		race_stop("a thread's clock has run out");
		return clock;
	}
	rt->nonempty = false;
	rt->epoch += 1ull << 32;
	rt->vc[rt->slot] = clock + 1;
	race_tag_step(rt);
	return clock;
}

static bool note_term(struct slot *s, uint32_t from, uint32_t thread)
{
	if (s->nr_terms == s->room) {
		uint32_t more = s->room ? 2 * s->room : 4;
		struct term *bigger = arena_realloc(s->term, more * sizeof *bigger);
		if (!bigger)
			return false;
		s->term = bigger;
		s->room = more;
	}
	s->term[s->nr_terms++] = (struct term){ from, thread };
	return true;
}

/* A slot for a thread that knows what vc says. 0: none left. */
static uint32_t choose_locked(const uint32_t *vc)
{
	uint32_t oldest = 0;
	for (uint32_t i = 1; nr_idle && i < width; i++) {
		if (!slots[i].idle_since)
			continue;
		if (vc[i] >= slots[i].final)
			return i;
		if (!oldest || slots[i].idle_since < slots[oldest].idle_since)
			oldest = i;
	}
	if (oldest && (nr_idle > IDLE_ENOUGH || width == RACE_SLOTS))
		return oldest;
	if (width == RACE_SLOTS)
		return 0;
	if (!slots[width].rt)
		slots[width].rt = arena_map(sizeof *slots[width].rt);
	if (!slots[width].rt)
		return oldest;
	/* Its memory is ready before anybody counts it. */
	slots[width].idle_since = 1;
	nr_idle++;
	atomic_store_explicit(&width, width + 1, memory_order_release);
	return width - 1;
}

void race_thread_started(struct thread *t)
{
	static uint32_t unknown[RACE_SLOTS];
	if (!race_on || race_stopped)
		return;
	/* What the creator knew. Taken in a slot chosen for it, so once to choose and once to keep. */
	uint32_t *vc = arena_malloc(sizeof unknown);
	if (!vc) {
		race_stop("no memory for a thread's clock");
		return;
	}
	for (uint32_t i = 0; i < RACE_SLOTS; i++)
		vc[i] = 0;
	bool seen = sync_take(KEY_START(t->id), vc);
	spin_lock(&lock);
	/* Created where nobody saw it, as inside libc for a timer: it comes after everything there is. */
	for (uint32_t n = 1; !seen && n < width; n++)
		vc[n] = slots[n].idle_since ? slots[n].final : race_clock(slots[n].rt);
	uint32_t i = choose_locked(vc);
	struct slot *s = &slots[i];
	uint32_t birth = i ? s->final + 1 : 0;
	if (i && note_term(s, birth, t->id)) {
		s->idle_since = 0;
		nr_idle--;
	} else {
		i = 0;
	}
	spin_unlock(&lock);
	if (!i) {
		arena_free(vc);
		race_stop("more threads at once than there are clocks");
		return;
	}
	struct race_thread *rt = s->rt;
	for (uint32_t n = 0; n < RACE_SLOTS; n++)
		rt->vc[n] = vc[n];
	arena_free(vc);
	/* Nothing of the old thread's is the new one's, unless it comes after it. */
	rt->birth = rt->vc[i] >= s->final ? 0 : birth;
	rt->vc[i] = birth;
	rt->epoch = (uint64_t)birth << 32 | (uint64_t)i << 20;
	rt->slot = i;
	rt->pending = 0;
	rt->poked = 0;
	rt->busy = 0;
	rt->set = RACE_NO_SET;
	rt->nonempty = true;
	rt->ignore_depth = 0;
	rt->thread = t->id;
	rt->random = (t->id + 1) * 0x9e3779b97f4a7c15ull ^ (uintptr_t)rt;
	if (race_engine.thread_started)
		race_engine.thread_started(t);
	rt->tag = 0;
	race_tag_step(rt);
	/* Its stack and its thread-local words, right above, may have been another thread's; nobody else has seen them yet. */
	if (t->info && t->stacks.hi) {
		uintptr_t top = t->info->handle + TCB_BYTES;
		shadow_wipe(t->stacks.lo, (top > t->stacks.hi && top - t->stacks.lo < MAX_STACK ? top : t->stacks.hi) - t->stacks.lo);
	}
	t->race = rt;
	if (unlikely(race_hybrid) && !hybrid_started(t))
		race_stop("no memory for a thread's second clock");
	sync_drop(KEY_START(t->id));
	spin_lock(&lock);
	rt->tags = &race_tls.write_tag;
	spin_unlock(&lock);
}

void race_thread_ended(struct thread *t)
{
	struct race_thread *rt = t->race;
	if (!rt)
		return;
	if (!race_stopped)
		sync_send(t, KEY_END(t->id));
	race_tls.write_tag = ~0ull;
	if (race_engine.thread_ended)
		race_engine.thread_ended(t);
	t->race = NULL;
	spin_lock(&lock);
	rt->tags = NULL;
	struct slot *s = &slots[rt->slot];
	s->final = race_clock(rt) - !rt->nonempty;
	s->idle_since = ++endings;
	nr_idle++;
	spin_unlock(&lock);
}

void race_thread_created(struct thread *t, uint32_t child)
{
	if (t->race)
		sync_send(t, KEY_START(child));
}

void race_thread_unborn(uint32_t child) { sync_drop(KEY_START(child)); }

void race_thread_joined(struct thread *t, uint32_t child)
{
	if (t->race)
		sync_recv(t, KEY_END(child));
	sync_drop(KEY_END(child));
}

static void poke(struct race_thread *u, uintptr_t key)
{
	uintptr_t had = atomic_load(&u->poked), want;
	do {
		if (had & POKED_ALL || (had & ~7ul) == key)
			return;
		want = had & ~7ul ? (had & 7) | POKED_ALL : had | key;
	} while (!atomic_compare_exchange_weak(&u->poked, &had, want));
}

void clock_lent(struct race_thread *u, uintptr_t how)
{
	atomic_fetch_or(&u->poked, how);
	spin_lock(&lock);
	if (u->tags)
		__atomic_store_n(u->tags, ~0ull, __ATOMIC_RELAXED);
	spin_unlock(&lock);
}

void clock_settle(struct race_thread *rt, uintptr_t addr)
{
	race_settled(rt); /* lest two that do the same wait for each other */
	for (uint32_t i = 1, n = clock_width(); i < n; i++) {
		struct race_thread *u = slots[i].rt;
		for (unsigned tries = 0; tries < 200 && atomic_load(&u->busy) == addr >> 3; tries++)
			__builtin_ia32_pause();
		if (likely(atomic_load(&u->busy) != addr >> 3))
			continue;
		/* It does not run just now. What it tags will not count, and it looks once more. */
		poke(u, KEY_ATOMIC(addr));
		clock_lent(u, POKED_STEP);
	}
}

void clock_step(struct race_thread *rt)
{
	rt->nonempty = true; /* this epoch has been told of, empty or not */
	clock_release(rt);
}

void clock_poke(struct race_thread *u, const struct race_thread *by, uintptr_t key)
{
	if (u)
		poke(u, key);
	for (uint32_t i = 1, n = clock_width(); !u && i < n; i++)
		if (slots[i].rt != by && !slots[i].idle_since)
			poke(slots[i].rt, key);
}

void clock_learn_all(struct race_thread *rt)
{
	for (uint32_t i = 1, n = clock_width(); i < n; i++) {
		uint32_t c = slots[i].idle_since ? slots[i].final : race_clock(slots[i].rt);
		if (i != rt->slot && c > rt->vc[i]) {
			rt->vc[i] = c;
			rt->nonempty = true;
			if (!slots[i].idle_since)
				clock_lent(slots[i].rt, POKED_STEP);
		}
	}
	if (unlikely(race_hybrid))
		hybrid_learn(rt);
}

void clock_fork_child(void)
{
	spin_reset(&lock);
	for (uint32_t i = 1; i < width; i++) {
		slots[i].final = 0;
		slots[i].nr_terms = 0;
		slots[i].idle_since = 1;
		atomic_store_explicit(&slots[i].rt->busy, 0, memory_order_relaxed);
		slots[i].rt->tags = NULL;
	}
	nr_idle = width - 1;
	endings = 1;
}
