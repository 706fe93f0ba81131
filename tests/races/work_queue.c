/* A queue with mutex and condition: an item belongs to who took it. */
#include <stdbool.h>

#include "race.h"

#define ITEMS 200

struct item {
	struct item *next;
	int value;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	struct item *first;
	bool closed;
} queue = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, false };

long total;
static pthread_mutex_t total_lock = PTHREAD_MUTEX_INITIALIZER;

static void push(struct item *it)
{
	pthread_mutex_lock(&queue.lock);
	it->next = queue.first;
	queue.first = it;
	pthread_cond_signal(&queue.filled);
	pthread_mutex_unlock(&queue.lock);
}

static struct item *pop(void)
{
	struct item *it;

	pthread_mutex_lock(&queue.lock);
	while (!queue.first && !queue.closed)
		pthread_cond_wait(&queue.filled, &queue.lock);
	it = queue.first;
	if (it)
		queue.first = it->next;
	pthread_mutex_unlock(&queue.lock);
	return it;
}

static void close_queue(void)
{
	pthread_mutex_lock(&queue.lock);
	queue.closed = true;
	pthread_cond_broadcast(&queue.filled);
	pthread_mutex_unlock(&queue.lock);
}

static void *worker(void *arg)
{
	struct item *it;

	while ((it = pop())) {
		it->value *= 2; /* its own now */
		pthread_mutex_lock(&total_lock);
		total += it->value;
		pthread_mutex_unlock(&total_lock);
		free(it);
	}
	return arg;
}

static void pool(void) /* EXPECT: silence in pool */
{
	pthread_t t[3];

	for (int i = 0; i < 3; i++)
		t[i] = start(worker);
	for (int i = 1; i <= ITEMS; i++) {
		struct item *it = (struct item *)malloc(sizeof(*it));

		it->value = i;
		push(it);
	}
	close_queue();
	for (int i = 0; i < 3; i++)
		finish(t[i]);
	MUST(total == (long)ITEMS * (ITEMS + 1));
}

static void *take_one(void *arg)
{
	struct item *it = pop();

	await_step(0);
	LOOK(it->value); /* EXPECT: data-race in touched_after_push */
	free(it);
	return arg;
}

static void touched_after_push(void)
{
	struct item *it = (struct item *)calloc(1, sizeof(*it));
	pthread_t t = start(take_one);

	push(it);
	it->value = 1; /* EXPECT: data-race in touched_after_push */
	step(0);
	finish(t);
}

/* Both count into total, one without its lock. */
static void *count_bare(void *arg)
{
	struct item *it = pop();

	total += it->value; /* EXPECT: data-race in total_bare */
	step(0);
	await_step(1); /* what comes after must not order the two */
	return arg;
}

static void *count_bare_too(void *arg)
{
	struct item *it = pop();

	step(2);
	await_step(0);
	total += it->value; /* EXPECT: data-race in total_bare */
	step(1);
	return arg;
}

static void total_bare(void)
{
	static struct item a = { NULL, 1 }, b = { NULL, 2 };
	pthread_t t, u;

	push(&a);
	push(&b);
	u = start(count_bare_too);
	await_step(2); /* its pop is over */
	t = start(count_bare);
	finish(t);
	finish(u);
}

CASES(CASE(pool), CASE(touched_after_push), CASE(total_bare))
