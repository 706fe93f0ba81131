// Sequence locks: readers look whether they were disturbed. Right with atomic data, a race with plain data.
#include <atomic>
#include <cstdint>

#include "race.h"

static std::atomic<unsigned> seq;
static std::atomic<int> a, b;
int plain_a, plain_b;
static pthread_mutex_t writers = PTHREAD_MUTEX_INITIALIZER;

static void write_atomic()
{
	pthread_mutex_lock(&writers);
	seq.store(seq.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
	a.store(a.load(std::memory_order_relaxed) + 1, std::memory_order_release);
	b.store(b.load(std::memory_order_relaxed) + 1, std::memory_order_release);
	seq.store(seq.load(std::memory_order_relaxed) + 1, std::memory_order_release);
	pthread_mutex_unlock(&writers);
}

static void read_atomic()
{
	unsigned before, after;
	int x, y;

	do {
		before = seq.load(std::memory_order_acquire);
		x = a.load(std::memory_order_acquire);
		y = b.load(std::memory_order_acquire);
		after = seq.load(std::memory_order_relaxed);
	} while (before != after || before % 2);
	MUST(x == y);
}

static void write_plain()
{
	pthread_mutex_lock(&writers);
	seq.fetch_add(1);
	plain_a++; // EXPECT: data-race in plain_data
	plain_b++; // EXPECT: data-race in plain_data
	seq.fetch_add(1);
	pthread_mutex_unlock(&writers);
}

static void read_plain()
{
	unsigned before, after;
	int x, y;

	do {
		before = seq.load(std::memory_order_acquire);
		x = plain_a; // EXPECT: data-race in plain_data
		y = plain_b; // EXPECT: data-race in plain_data
		after = seq.load(std::memory_order_acquire);
	} while (before != after || before % 2);
	MUST(x == y);
}

static void *often_written(void *arg)
{
	for (int i = 0; i < 1000; i++)
		write_atomic();
	return arg;
}

static void *often_read(void *arg)
{
	for (int i = 0; i < 1000; i++)
		read_atomic();
	return arg;
}

static void atomic_data() // EXPECT: silence in atomic_data
{
	in_turn3(write_atomic, read_atomic, write_atomic);
}

static void contended() // EXPECT: silence in contended
{
	run_two(often_written, often_read);
}

// The reader is through before the writer begins: nothing keeps the writer from beginning sooner.
static void plain_data()
{
	in_turn(read_plain, write_plain);
}

CASES(CASE(atomic_data), CASE(contended), CASE(plain_data))
