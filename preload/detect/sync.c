/*
 * sync.c - What was released where: a vector clock for each address (or other key) that order goes through.
 *
 * Most objects were last released by a thread that had acquired them before, so that its epoch stands for the whole vector:
 * who knows that epoch knows everything the object has to say, and need not look (`slot`).
 *
 * Bounded: a shard that has grown past SHARD_MAX is poured into one vector, which then speaks for each of its keys that are not
 * found. That orders more than there was order for, so races may be missed; it never makes one up.
 *
 * The locks are this file's own, not spin.h's: a forked child starts with nothing, so a fork need not wait for anybody here.
 */
#include "detect/race_inside.h"

#include "base/spin.h"
#include "base/arena.h"
#include "base/sys.h"
#include "detect/hybrid.h"

#include <string.h>

#define SHARDS    256u
#define SHARD_MAX 8192u

struct sync {
	uintptr_t key;        /* 0: empty place */
	uint32_t slot, clock; /* knowing this epoch is knowing all of it; slot 0: no such epoch */
	uint32_t n, room;
	uint32_t *c;
};

struct shard {
	_Atomic uint32_t lock;
	uint32_t mask, used; /* mask + 1 places */
	struct sync *place;
	uint32_t *limbo; /* RACE_SLOTS of them; NULL nothing was let go */
} __attribute__((aligned(64)));

static struct shard shards[SHARDS];
static _Atomic uint64_t let_go;

static struct shard *shard_of(uintptr_t key, uint32_t *hash)
{
	uint64_t h = (key >> 2 ^ key >> 63) * 0x9e3779b97f4a7c15ull;
	struct shard *s = &shards[h >> 56];
	*hash = (uint32_t)(h >> 24);
	spin_own_begin();
	for (unsigned n = 0; unlikely(atomic_exchange_explicit(&s->lock, 1, memory_order_acquire)); n++) {
		if (n < 100)
			__builtin_ia32_pause();
		else
			sys0(SYS_sched_yield);
	}
	return s;
}

static void leave(struct shard *s)
{
	atomic_store_explicit(&s->lock, 0, memory_order_release);
	spin_own_end();
}

bool sync_start(void) { return true; }
uint64_t sync_count(void) { return atomic_load(&let_go); }

static struct sync *find(const struct shard *s, uintptr_t key, uint32_t hash)
{
	if (!s->place)
		return NULL;
	for (uint32_t i = hash & s->mask;; i = (i + 1) & s->mask) {
		if (s->place[i].key == key)
			return &s->place[i];
		if (!s->place[i].key)
			return NULL;
	}
}

static uint32_t rehash(uintptr_t key)
{
	return (uint32_t)(((key >> 2 ^ key >> 63) * 0x9e3779b97f4a7c15ull) >> 24);
}

static bool pour_out(struct shard *s)
{
	if (!s->limbo)
		s->limbo = arena_alloc(RACE_SLOTS * sizeof *s->limbo);
	if (!s->limbo)
		return false;
	for (uint32_t i = 0; i <= s->mask; i++) {
		struct sync *y = &s->place[i];
		for (uint32_t k = 0; y->key && k < y->n; k++)
			if (y->c[k] > s->limbo[k])
				s->limbo[k] = y->c[k];
		arena_free(y->c);
	}
	memset(s->place, 0, (s->mask + 1) * sizeof *s->place);
	atomic_fetch_add_explicit(&let_go, s->used, memory_order_relaxed);
	s->used = 0;
	return true;
}

static bool grow(struct shard *s)
{
	uint32_t places = s->place ? 2 * (s->mask + 1) : 16;
	struct sync *bigger = arena_calloc(places, sizeof *bigger);
	if (!bigger)
		return false;
	for (uint32_t i = 0; s->place && i <= s->mask; i++) {
		uint32_t to = rehash(s->place[i].key) & (places - 1);
		while (s->place[i].key && bigger[to].key)
			to = (to + 1) & (places - 1);
		if (s->place[i].key)
			bigger[to] = s->place[i];
	}
	arena_free(s->place);
	s->place = bigger;
	s->mask = places - 1;
	return true;
}

static bool room_for(struct sync *y, uint32_t n)
{
	if (n > y->room) {
		uint32_t more = y->room ? y->room : 4;
		while (more < n)
			more *= 2;
		uint32_t *c = arena_realloc(y->c, more * sizeof *c);
		if (!c)
			return false;
		y->c = c;
		y->room = more;
	}
	for (; y->n < n; y->n++)
		y->c[y->n] = 0;
	return true;
}

static struct sync *add(struct shard *s, uintptr_t key, uint32_t hash)
{
	if (s->used >= SHARD_MAX && !pour_out(s))
		return NULL;
	if ((!s->place || s->used >= (s->mask + 1) / 4 * 3) && !grow(s) && !(s->place && pour_out(s)))
		return NULL;
	uint32_t i = hash & s->mask;
	while (s->place[i].key)
		i = (i + 1) & s->mask;
	struct sync *y = &s->place[i];
	*y = (struct sync){ .key = key };
	if (s->limbo) { /* it may be one of those let go */
		if (!room_for(y, clock_width()))
			return NULL;
		memcpy(y->c, s->limbo, y->n * sizeof *y->c);
	}
	s->used++;
	return y;
}

static bool join(uint32_t *into, const uint32_t *from, uint32_t n)
{
	uint32_t news = 0;
	for (uint32_t i = 0; i < n; i++) {
		news |= from[i] > into[i];
		into[i] = from[i] > into[i] ? from[i] : into[i];
	}
	return news;
}

/* Joins vc, with `own` in the place of its own clock. */
static bool give(struct sync *y, const uint32_t *vc, uint32_t slot, uint32_t own)
{
	uint32_t n = clock_width();
	bool knows_all = y->slot ? vc[y->slot] >= y->clock : y->n == 0;
	if (!room_for(y, n > y->n ? n : y->n))
		return false;
	if (!knows_all) {
		uint32_t more = 0;
		for (uint32_t i = 0; i < y->n; i++) {
			uint32_t v = i == slot ? own : vc[i];
			more |= y->c[i] > v;
			y->c[i] = y->c[i] > v ? y->c[i] : v;
		}
		knows_all = !more;
	} else {
		memcpy(y->c, vc, y->n * sizeof *y->c);
		y->c[slot] = own;
	}
	y->slot = knows_all ? slot : 0;
	y->clock = own;
	return true;
}

void sync_send(struct thread *t, uintptr_t key)
{
	struct race_thread *rt = t->race;
	uint32_t hash;
	bool ok = true;
	if (unlikely(race_stopped != NULL))
		return;
	if (unlikely(race_is_behind(rt))) /* what it read since may have told it more */
		race_catch_up(t);
	uint32_t own = race_clock(rt) - !rt->nonempty;
	if (unlikely(race_hybrid))
		hybrid_sent(t, key, own);
	struct shard *s = shard_of(key, &hash);
	struct sync *y = find(s, key, hash);
	if (!y)
		y = add(s, key, hash);
	if (!y)
		ok = false;
	else if (y->slot != rt->slot || y->clock != own)
		ok = give(y, rt->vc, rt->slot, own);
	leave(s);
	if (unlikely(!ok))
		race_stop("no memory for the order of events");
	clock_release(rt);
}

bool sync_take(uintptr_t key, uint32_t *vc)
{
	uint32_t hash;
	bool news = false;
	struct shard *s = shard_of(key, &hash);
	struct sync *y = find(s, key, hash);
	if (y && !(y->slot && vc[y->slot] >= y->clock))
		news = join(vc, y->c, y->n);
	else if (!y && s->limbo)
		news = join(vc, s->limbo, clock_width());
	leave(s);
	return news;
}

void sync_recv(struct thread *t, uintptr_t key)
{
	if (sync_take(key, t->race->vc))
		t->race->nonempty = true;
	if (unlikely(race_hybrid))
		hybrid_received(t, key);
}

void sync_join(uintptr_t key, const uint32_t *vc)
{
	uint32_t hash;
	struct shard *s = shard_of(key, &hash);
	struct sync *y = find(s, key, hash);
	if (!y)
		y = add(s, key, hash);
	bool ok = y && room_for(y, clock_width() > y->n ? clock_width() : y->n);
	if (ok) {
		join(y->c, vc, y->n);
		y->slot = 0;
	}
	leave(s);
	if (unlikely(!ok))
		race_stop("no memory for the order of events");
}

void sync_lend(uintptr_t key, const struct race_thread *from)
{
	sync_join(key, from->vc);
	if (unlikely(race_hybrid))
		sync_join(KEY_WEAK(key), from->vc);
}

static void drop(uintptr_t key)
{
	uint32_t hash;
	struct shard *s = shard_of(key, &hash);
	struct sync *y = find(s, key, hash);
	if (y) {
		arena_free(y->c);
		s->used--;
		/* Those that probed past it move up. */
		uint32_t hole = (uint32_t)(y - s->place);
		for (uint32_t i = (hole + 1) & s->mask; s->place[i].key; i = (i + 1) & s->mask) {
			uint32_t home = rehash(s->place[i].key) & s->mask;
			if (((i - home) & s->mask) >= ((i - hole) & s->mask)) {
				s->place[hole] = s->place[i];
				hole = i;
			}
		}
		s->place[hole].key = 0;
	}
	leave(s);
}

void sync_drop(uintptr_t key)
{
	drop(key);
	if (unlikely(race_hybrid))
		drop(KEY_WEAK(key));
}

void sync_fork_child(void)
{
	/* What other threads were changing is left where it is. */
	memset(shards, 0, sizeof shards);
}
