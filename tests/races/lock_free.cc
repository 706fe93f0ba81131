// Lock-free structures: a ring for one and one, a stack, a queue of Michael and Scott's; each right, and one published
// too early.
#include <atomic>
#include <vector>

#include "race.h"

#define ITEMS 2000

struct item {
	item *next = nullptr;
	int value = 0;
};

// ---- ring: one writes, one reads ----
static int ring[64];
static std::atomic<unsigned> head, tail;

static void *produce(void *arg)
{
	for (int i = 1; i <= ITEMS; i++) {
		unsigned t = tail.load(std::memory_order_relaxed);
		while (t - head.load(std::memory_order_acquire) == 64)
			;
		ring[t % 64] = i;
		tail.store(t + 1, std::memory_order_release);
	}
	return arg;
}

static void *consume(void *arg)
{
	long sum = 0;

	for (int i = 1; i <= ITEMS; i++) {
		unsigned h = head.load(std::memory_order_relaxed);
		while (h == tail.load(std::memory_order_acquire))
			;
		sum += ring[h % 64];
		head.store(h + 1, std::memory_order_release);
	}
	MUST(sum == (long)ITEMS * (ITEMS + 1) / 2);
	return arg;
}

static void ring_buffer() // EXPECT: silence in ring_buffer
{
	run_two(produce, consume);
}

// The same where no debug information says which bytes are atomic.
struct heap_ring {
	int item[64];
	std::atomic<unsigned> head, tail;
};

static void *produce_in_heap(void *arg)
{
	heap_ring *r = (heap_ring *)arg;
	for (int i = 1; i <= ITEMS; i++) {
		unsigned t = r->tail.load(std::memory_order_relaxed);
		while (t - r->head.load(std::memory_order_acquire) == 64)
			;
		r->item[t % 64] = i;
		r->tail.store(t + 1, std::memory_order_release);
	}
	return arg;
}

static void ring_buffer_in_heap() // EXPECT: silence in ring_buffer_in_heap
{
	heap_ring *r = new heap_ring();
	long sum = 0;

	pthread_t t = start_with(produce_in_heap, r);
	for (int i = 1; i <= ITEMS; i++) {
		unsigned h = r->head.load(std::memory_order_relaxed);
		while (h == r->tail.load(std::memory_order_acquire))
			;
		sum += r->item[h % 64];
		r->head.store(h + 1, std::memory_order_release);
	}
	MUST(sum == (long)ITEMS * (ITEMS + 1) / 2);
	finish(t);
	delete r;
}

static void *publish_too_early(void *arg)
{
	tail.store(1, std::memory_order_release);
	step(0);
	ring[0] = 1; // EXPECT: data-race in ring_too_early
	step(1);
	return arg;
}

static void *consume_early(void *arg)
{
	await_step(0);
	MUST(tail.load(std::memory_order_acquire) == 1);
	await_step(1);
	LOOK(ring[0]); // EXPECT: data-race in ring_too_early
	return arg;
}

static void ring_too_early()
{
	run_two(publish_too_early, consume_early);
}

// ---- stack: items are pushed by all, and taken all at once ----
static std::atomic<item *> top;

static void push(item *it)
{
	it->next = top.load(std::memory_order_relaxed);
	while (!top.compare_exchange_weak(it->next, it, std::memory_order_release, std::memory_order_relaxed))
		;
}

static void *push_many(void *arg)
{
	for (int i = 0; i < ITEMS; i++) {
		item *it = new item;
		it->value = 1;
		push(it);
	}
	return arg;
}

static std::atomic<int> taken;

static void *take_all(void *arg)
{
	while (taken.load(std::memory_order_relaxed) < 2 * ITEMS) {
		item *it = top.exchange(nullptr, std::memory_order_acquire);
		while (it) {
			item *next = it->next;
			it->value++;
			delete it;
			taken.fetch_add(1, std::memory_order_relaxed);
			it = next;
		}
	}
	return arg;
}

static void stack() // EXPECT: silence in stack
{
	pthread_t t = start(take_all);

	run_two(push_many, push_many);
	finish(t);
}

static void push_and_touch()
{
	static item it;

	push(&it);
	it.value = 1; // EXPECT: data-race in touched_after_push
}

static void take_and_look()
{
	item *it = top.exchange(nullptr, std::memory_order_acquire);

	LOOK(it->value); // EXPECT: data-race in touched_after_push
}

static void touched_after_push()
{
	in_turn(push_and_touch, take_and_look);
}

// ---- Michael and Scott's queue, without reclaiming ----
struct node {
	std::atomic<node *> next{ nullptr };
	int value = 0;
};

static std::atomic<node *> first, last;

static void enqueue(int value)
{
	node *n = new node;

	n->value = value;
	for (;;) {
		node *l = last.load(std::memory_order_acquire);
		node *next = l->next.load(std::memory_order_acquire);
		if (!next) {
			if (l->next.compare_exchange_weak(next, n, std::memory_order_release,
							  std::memory_order_relaxed)) {
				last.compare_exchange_strong(l, n, std::memory_order_release,
							     std::memory_order_relaxed);
				return;
			}
		} else {
			last.compare_exchange_strong(l, next, std::memory_order_release, std::memory_order_relaxed);
		}
	}
}

static bool dequeue(int *value)
{
	for (;;) {
		node *f = first.load(std::memory_order_acquire);
		node *next = f->next.load(std::memory_order_acquire);
		if (!next)
			return false;
		if (first.compare_exchange_weak(f, next, std::memory_order_acq_rel, std::memory_order_relaxed)) {
			*value = next->value;
			return true;
		}
	}
}

static std::atomic<long> total;
static std::atomic<int> got;

static void *enqueue_many(void *arg)
{
	for (int i = 1; i <= ITEMS; i++)
		enqueue(i);
	return arg;
}

static void *dequeue_many(void *arg)
{
	int value;

	while (got.load() < 2 * ITEMS)
		if (dequeue(&value)) {
			total += value;
			got++;
		}
	return arg;
}

static void queue() // EXPECT: silence in queue
{
	first = last = new node;
	pthread_t t = start(dequeue_many), u = start(dequeue_many);
	run_two(enqueue_many, enqueue_many);
	finish(t);
	finish(u);
	MUST(total == (long)ITEMS * (ITEMS + 1));
}

CASES(CASE(ring_buffer), CASE(ring_buffer_in_heap), CASE(ring_too_early), CASE(stack), CASE(touched_after_push), CASE(queue))
