/*
 * Places that are written under one lock as a rule, and once without; this run happened to order even that, by that lock. And
 * what looks like it and is right: beginnings, ends, and order by other means.
 */
#include <stdbool.h>

#include "race.h"

void AnnotateBenignRaceSized(const char *file, int line, const volatile void *what, size_t size, const char *why)
    __attribute__((weak));

struct account {
	long balance;
	pthread_mutex_t lock;
	long before[8], other, after[8];
};

static struct account global = { .lock = PTHREAD_MUTEX_INITIALIZER };
static struct account *account = &global;
static pthread_barrier_t barrier;
static bool open_for_all;

static void add(struct account *a, int times)
{
	for (int i = 0; i < times; i++) {
		pthread_mutex_lock(&a->lock);
		a->balance++; /* HYBRID: unguarded-write in bare_once, bare_once_on_heap, bare_first, other_lock */
		pthread_mutex_unlock(&a->lock);
	}
}

static void set_bare(struct account *a)
{
	a->balance = 0; /* HYBRID: unguarded-write in bare_once, bare_once_on_heap, bare_first */
}

/* ---- threads in turn: a step before and after each part, so that all happens in one order and no detector sees why ---- */

static void (*part[8])(void);
static int nr_parts;

/* The even parts are one thread's, the odd ones the other's. */
static void *parts(void *arg)
{
	for (int i = arg ? 1 : 0; i < nr_parts; i += 2) {
		if (i)
			await_step(i - 1);
		part[i]();
		step(i);
	}
	await_step(nr_parts - 1);
	return arg;
}

static void run_parts(int n)
{
	nr_parts = n;
	pthread_t a = start_with(parts, NULL), b = start_with(parts, &nr_parts);

	finish(a);
	finish(b);
}

#define PARTS(...)                                                             \
	do {                                                                   \
		void (*const all[])(void) = { __VA_ARGS__ };                   \
		memcpy(part, all, sizeof(all));                                \
		run_parts((int)(sizeof(all) / sizeof(*all)));                  \
	} while (0)

static void add_20(void)
{
	add(account, 20);
}

/* Between two sections of its own: whoever comes before and after is in order with it, this time. */
static void add_bare_add(void)
{
	add(account, 1);
	set_bare(account);
	add(account, 1);
}

static void bare_once(void) /* EXPECT: silence in bare_once */
{
	PARTS(add_20, add_20, add_20, add_bare_add, add_20);
}

static struct account *make(void)
{
	struct account *a = (struct account *)calloc(1, sizeof(*a));

	OK(pthread_mutex_init(&a->lock, NULL));
	return a;
}

static void bare_once_on_heap(void) /* EXPECT: silence in bare_once_on_heap */
{
	account = make();
	PARTS(add_20, add_20, add_20, add_bare_add, add_20);
}

/* The other one sees it only later, under the lock. */
static void bare_first(void) /* EXPECT: silence in bare_first */
{
	PARTS(add_bare_add, add_20, add_20, add_20);
}

/* Under a lock, but not that one. */
static pthread_mutex_t wrong = PTHREAD_MUTEX_INITIALIZER;

static void add_wrong_add(void)
{
	add(account, 1);
	pthread_mutex_lock(&wrong);
	account->balance = 0; /* HYBRID: unguarded-write in other_lock */
	pthread_mutex_unlock(&wrong);
	add(account, 1);
}

static void other_lock(void) /* EXPECT: silence in other_lock */
{
	PARTS(add_20, add_20, add_20, add_wrong_add, add_20);
}

/* ---- the innocent twins ---- */

static void always_guarded(void) /* EXPECT: silence in always_guarded */
{
	PARTS(add_20, add_20, add_20, add_20);
}

/* Written by whoever makes it, then published under a lock of its own. */
static struct account *published;
static pthread_mutex_t publish = PTHREAD_MUTEX_INITIALIZER;

static void make_and_publish(void)
{
	struct account *a = make();

	set_bare(a);
	a->other = 1;
	pthread_mutex_lock(&publish);
	published = a;
	pthread_mutex_unlock(&publish);
	add(a, 20);
}

static void find_and_add(void)
{
	pthread_mutex_lock(&publish);
	struct account *a = published;
	pthread_mutex_unlock(&publish);
	add(a, 20);
}

static void before_publication(void) /* EXPECT: silence in before_publication */
{
	PARTS(make_and_publish, find_and_add, find_and_add, find_and_add);
}

/* Out of a pool and back, made anew each time; everybody's in between. */
static struct account *pool;

static void take_and_publish(void)
{
	pthread_mutex_lock(&publish);
	struct account *a = pool;
	pool = NULL;
	pthread_mutex_unlock(&publish);
	set_bare(a);
	pthread_mutex_lock(&publish);
	published = a;
	pthread_mutex_unlock(&publish);
	add(a, 20);
}

static void find_add_and_give_back(void)
{
	pthread_mutex_lock(&publish);
	struct account *a = published;
	pthread_mutex_unlock(&publish);
	add(a, 20);
	pthread_mutex_lock(&publish);
	published = NULL;
	pool = a;
	pthread_mutex_unlock(&publish);
}

static void from_a_pool(void) /* EXPECT: silence in from_a_pool */
{
	pool = make();
	PARTS(take_and_publish, find_add_and_give_back, take_and_publish, find_add_and_give_back, take_and_publish,
	      find_add_and_give_back, take_and_publish, find_add_and_give_back);
}

/* Before the others are there, and when they are gone. */
static void alone_at_both_ends(void) /* EXPECT: silence in alone_at_both_ends */
{
	set_bare(account);
	add(account, 20);
	set_bare(account);
	PARTS(add_20, add_20, add_20, add_20);
	set_bare(account);
	add(account, 20);
	set_bare(account);
}

static void meet_all(void)
{
	pthread_barrier_wait(&barrier);
}

/* In rounds: all add; one starts anew. */
static void *rounds(void *arg)
{
	for (int i = 0; i < 5; i++) {
		add(account, 20);
		meet_all();
		if (arg)
			set_bare(account);
		meet_all();
	}
	return arg;
}

static void between_barriers(void) /* EXPECT: silence in between_barriers */
{
	OK(pthread_barrier_init(&barrier, NULL, 2));
	pthread_t a = start_with(rounds, NULL), b = start_with(rounds, account);

	finish(a);
	finish(b);
}

/* Whose it is stands beside it, under the same lock. */
static void *owners(void *arg)
{
	for (int i = 0; i < 5;) {
		bool mine = false;

		pthread_mutex_lock(&account->lock);
		account->balance++;
		if (account->other == (arg != NULL)) {
			account->other = 2;
			mine = true;
		}
		pthread_mutex_unlock(&account->lock);
		if (!mine)
			continue;
		account->after[0] = i;
		pthread_mutex_lock(&account->lock);
		account->other = arg == NULL;
		account->after[0]++;
		pthread_mutex_unlock(&account->lock);
		i++;
	}
	return arg;
}

static void owned_in_turn(void) /* EXPECT: silence in owned_in_turn */
{
	pthread_t a = start_with(owners, NULL), b = start_with(owners, account);

	finish(a);
	finish(b);
}

/* Each object has a lock of its own. */
static struct account many[4];

static void add_to_all(void)
{
	for (int i = 0; i < 4; i++)
		add(&many[i], 10);
}

static void lock_of_its_own(void) /* EXPECT: silence in lock_of_its_own */
{
	for (int i = 0; i < 4; i++)
		OK(pthread_mutex_init(&many[i].lock, NULL));
	PARTS(add_to_all, add_to_all, add_to_all, add_to_all);
}

/* As often without as with: there is no usual lock. */
static void half(void)
{
	for (int i = 0; i < 5; i++)
		add_bare_add();
}

static void no_rule(void) /* EXPECT: silence in no_rule */
{
	PARTS(half, half, half, half);
}

/* Meant, and said so. */
static void said_to_be_benign(void) /* EXPECT: silence in said_to_be_benign */
{
	if (AnnotateBenignRaceSized)
		AnnotateBenignRaceSized(__FILE__, __LINE__, &account->balance, sizeof(account->balance), "a count that may be off");
	else
		return;
	PARTS(add_20, add_20, add_20, add_bare_add, add_20);
}

/* Read without the lock: what is written is guarded all the same. */
static void look_between(void)
{
	add(account, 1);
	LOOK(open_for_all);
	add(account, 1);
}

static void read_elsewhere(void) /* EXPECT: silence in read_elsewhere */
{
	PARTS(add_20, look_between, add_20, look_between);
}

CASES(CASE(bare_once), CASE(bare_once_on_heap), CASE(bare_first), CASE(other_lock), CASE(always_guarded), CASE(before_publication),
      CASE(from_a_pool), CASE(alone_at_both_ends), CASE(between_barriers), CASE(owned_in_turn), CASE(lock_of_its_own),
      CASE(no_rule), CASE(said_to_be_benign), CASE(read_elsewhere))
