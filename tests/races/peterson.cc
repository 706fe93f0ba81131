// Mutual exclusion by sequentially consistent loads and stores alone; hazard pointers; a read-write lock made of one
// word.
#include <atomic>
#include <sched.h>

#include "race.h"

int data;
static std::atomic<int> wants[2], turn;

static void lock(int me)
{
	wants[me].store(1);
	turn.store(1 - me);
	while (wants[1 - me].load() && turn.load() == 1 - me)
		sched_yield();
}

static void unlock(int me)
{
	wants[me].store(0);
}

static void *contend(void *arg)
{
	int me = (int)(long)arg;

	for (int i = 0; i < 2000; i++) {
		lock(me);
		data++;
		unlock(me);
	}
	return nullptr;
}

static void two_threads() // EXPECT: silence in two_threads
{
	pthread_t a = start_with(contend, (void *)0L), b = start_with(contend, (void *)1L);

	finish(a);
	finish(b);
	MUST(data == 4000);
}

// ---- a read-write lock in one word: readers count up, a writer sets the top bit ----
static std::atomic<unsigned> word;

static void read_lock()
{
	for (;;) {
		unsigned w = word.load(std::memory_order_relaxed);
		if (!(w >> 31) && word.compare_exchange_weak(w, w + 1, std::memory_order_acquire))
			return;
		sched_yield();
	}
}

static void read_unlock()
{
	word.fetch_sub(1, std::memory_order_release);
}

static void write_lock()
{
	for (;;) {
		unsigned w = 0;
		if (word.compare_exchange_weak(w, 1u << 31, std::memory_order_acquire))
			return;
		sched_yield();
	}
}

static void write_unlock()
{
	word.store(0, std::memory_order_release);
}

static void *read_and_write(void *arg)
{
	for (int i = 0; i < 500; i++) {
		read_lock();
		LOOK(data);
		read_unlock();
		write_lock();
		data++;
		write_unlock();
	}
	return arg;
}

static void word_rwlock() // EXPECT: silence in word_rwlock
{
	run_two(read_and_write, read_and_write);
	MUST(data == 1000);
}

// ---- hazard pointers: a reader says what it reads; the writer frees only what nobody says ----
struct thing {
	int value;
};

static std::atomic<thing *> current, hazard;

static void *read_things(void *arg)
{
	for (int i = 0; i < 1000; i++) {
		thing *p;
		do {
			p = current.load();
			hazard.store(p);
		} while (p != current.load());
		if (p)
			MUST(p->value == 7);
		hazard.store(nullptr);
	}
	return arg;
}

static void *replace_things(void *arg)
{
	for (int i = 0; i < 200; i++) {
		thing *old = current.exchange(new thing{ 7 });
		while (old && hazard.load() == old)
			sched_yield();
		delete old;
	}
	return arg;
}

static void hazard_pointers() // EXPECT: silence in hazard_pointers
{
	run_two(read_things, replace_things);
	delete current.load();
}

CASES(CASE(two_threads), CASE(word_rwlock), CASE(hazard_pointers))
