/* spin.c - See spin.h. */
#include "base/spin.h"

#include <limits.h>
#include <stdatomic.h>

#include "base/sys.h"

#define SPINS 100 /* about what a critical section of ours lasts */

#ifdef SNARL_CHECK
/* What this thread holds, in the order taken: names the exact lock, so that a reset forgets that one alone. */
#define MAX_HELD 8
static __thread struct {
	const struct spin *lock[MAX_HELD];
	unsigned nr;
} held __attribute__((tls_model("initial-exec")));

static void check_order(const struct spin *s)
{
	CHECK(s->rank > RANK_NONE && s->rank < NR_RANKS);
	for (unsigned i = 0; i < held.nr; i++)
		CHECK(held.lock[i]->rank < s->rank);
}

static void check_taken(const struct spin *s)
{
	CHECK(held.nr < MAX_HELD);
	held.lock[held.nr++] = s;
}

static bool check_forget(const struct spin *s)
{
	for (unsigned i = held.nr; i-- > 0;) {
		if (held.lock[i] != s)
			continue;
		held.nr--;
		for (; i < held.nr; i++)
			held.lock[i] = held.lock[i + 1];
		return true;
	}
	return false;
}
#else
static inline void check_order(const struct spin *s)
{
	(void)s;
}
static inline void check_taken(const struct spin *s)
{
	(void)s;
}
static inline bool check_forget(const struct spin *s)
{
	return (void)s, true;
}
#endif

/*
 * Fork: the child has our memory but only one of our threads. So a fork waits until nobody is inside any of our locks, and keeps
 * newcomers out meanwhile; then nothing is half done in the child. Whoever holds one lock may still take more.
 */
static _Atomic uint32_t nr_inside;
static _Atomic uint32_t frozen;
static __thread uint32_t depth __attribute__((tls_model("initial-exec")));
__thread struct spin_own spin_own;
static void (*tell_left)(void);

static COLD void enter_slow(void)
{
	do {
		atomic_fetch_sub(&nr_inside, 1);
		sys_futex_wake(&nr_inside, 1);
		while (atomic_load(&frozen))
			sys_futex_wait(&frozen, 1, 0);
		atomic_fetch_add(&nr_inside, 1);
	} while (atomic_load(&frozen));
}

static inline void enter(void)
{
	if (depth++)
		return;
	atomic_fetch_add(&nr_inside, 1);
	if (unlikely(atomic_load(&frozen)))
		enter_slow();
}

static inline void leave(void)
{
	if (--depth)
		return;
	atomic_fetch_sub(&nr_inside, 1);
	if (unlikely(atomic_load(&frozen)))
		sys_futex_wake(&nr_inside, 1);
	if (unlikely(spin_own.asked))
		spin_left_slow();
}

void spin_left_slow(void)
{
	if (depth || spin_own.nr)
		return;
	spin_own.asked = false;
	tell_left();
}

bool spin_tell_left(void (*f)(void))
{
	if (!depth && !spin_own.nr)
		return false;
	tell_left = f; /* the same one always */
	spin_own.asked = true;
	return true;
}

bool spin_inside(void) { return depth != 0; }

void spin_freeze(void)
{
	uint32_t own = depth != 0, seen, nobody = 0;
	/* One fork at a time: the first one's thaw must not let go of the second. */
	while (!atomic_compare_exchange_strong(&frozen, &nobody, 1)) {
		sys_futex_wait(&frozen, 1, 0);
		nobody = 0;
	}
	while ((seen = atomic_load(&nr_inside)) > own)
		sys_futex_wait(&nr_inside, seen, 1000000);
}

void spin_thaw(bool child)
{
	if (child)
		nr_inside = depth != 0;
	atomic_store(&frozen, 0);
	sys_futex_wake(&frozen, INT_MAX);
}

static COLD void spin_lock_slow(struct spin *s)
{
	for (int i = 0; i < SPINS; i++) {
		uint32_t seen = atomic_load_explicit(&s->word, memory_order_relaxed);
		if (seen == 0 && atomic_compare_exchange_weak_explicit(&s->word, &seen, 1, memory_order_acquire,
								       memory_order_relaxed))
			return;
		if (seen == 2)
			break; /* others sleep already */
		__builtin_ia32_pause();
	}
	/* Taken as 2 from here on: whoever slept cannot know whether others still do. */
	while (atomic_exchange_explicit(&s->word, 2, memory_order_acquire) != 0)
		sys_futex_wait(&s->word, 2, 0);
}

void spin_lock(struct spin *s)
{
	check_order(s);
	enter();
	uint32_t nobody = 0;
	if (unlikely(!atomic_compare_exchange_strong_explicit(&s->word, &nobody, 1, memory_order_acquire,
							      memory_order_relaxed)))
		spin_lock_slow(s);
	check_taken(s);
}

/* No order is asked of it: it never waits. */
bool spin_trylock(struct spin *s)
{
	uint32_t nobody = 0;
	enter();
	if (!atomic_compare_exchange_strong_explicit(&s->word, &nobody, 1, memory_order_acquire, memory_order_relaxed)) {
		leave();
		return false;
	}
	check_taken(s);
	return true;
}

void spin_unlock(struct spin *s)
{
	bool mine = check_forget(s);
	(void)mine;
	CHECK(mine);
	if (unlikely(atomic_exchange_explicit(&s->word, 0, memory_order_release) == 2))
		sys_futex_wake(&s->word, 1);
	leave();
}

void spin_reset(struct spin *s)
{
	check_forget(s);
	atomic_store_explicit(&s->word, 0, memory_order_relaxed);
}
