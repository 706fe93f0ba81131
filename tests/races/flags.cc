// Many flags: each is a plain mov, and what it says has to be heard whatever else lies beside it. All of it right.
// They are in the heap, where no debug information says what they are.
#include <atomic>

#include "race.h"

#define FLAGS 8
#define MANY  512
#define THERE 280
#define SOME  5
#define PAUSE 270

// ---- eight in one word, each thread's own; looked at when all have been set ----
struct flags {
	alignas(4096) std::atomic<bool> done[FLAGS];
	std::atomic<int> go;
	std::atomic<long> ready[MANY];
};

static flags *const heap = new flags();
static std::atomic<bool> *const done = heap->done;
static int result[FLAGS];

static void *set_own(void *arg)
{
	int k = (int)(long)arg;

	if (k > 0)
		await_step(k - 1);
	result[k] = k;
	done[k].store(true, std::memory_order_release);
	step(k);
	await_step(15);
	return nullptr;
}

static long collect()
{
	long sum = 0;

	for (int k = 0; k < FLAGS; k++) {
		while (!done[k].load(std::memory_order_acquire))
			;
		sum += result[k];
	}
	return sum;
}

static void eight_set_first() // EXPECT: silence in eight_set_first
{
	pthread_t t[FLAGS];

	for (long k = 0; k < FLAGS; k++)
		t[k] = start_with(set_own, (void *)k);
	await_step(FLAGS - 1);
	MUST(collect() == FLAGS * (FLAGS - 1) / 2);
	step(15);
	for (int k = 0; k < FLAGS; k++)
		finish(t[k]);
}

// ---- the same, looked at all the while ----
static void *set_own_at_once(void *arg)
{
	int k = (int)(long)arg;

	result[k] = k;
	done[k].store(true, std::memory_order_release);
	return nullptr;
}

static void eight_awaited() // EXPECT: silence in eight_awaited
{
	pthread_t t[FLAGS];

	for (long k = 0; k < FLAGS; k++)
		t[k] = start_with(set_own_at_once, (void *)k);
	MUST(collect() == FLAGS * (FLAGS - 1) / 2);
	for (int k = 0; k < FLAGS; k++)
		finish(t[k]);
}

// ---- the same, all of them one thread's, here and there in its code ----
static void set_all()
{
	result[0] = 1;
	done[0].store(true, std::memory_order_release);
	result[1] = 2;
	done[1].store(true, std::memory_order_release);
	result[2] = 3;
	done[2].store(true, std::memory_order_release);
	result[3] = 4;
	done[3].store(true, std::memory_order_release);
	result[4] = 5;
	done[4].store(true, std::memory_order_release);
}

static void look_at_five()
{
	long sum = 0;

	for (int k = 0; k < 5; k++)
		if (done[k].load(std::memory_order_acquire))
			sum += result[k];
	MUST(sum == 15);
}

static void five_set_first() // EXPECT: silence in five_set_first
{
	in_turn(set_all, look_at_five);
}

// ---- an array of them, looked through again and again ----
static std::atomic<long> *const ready = heap->ready;
static long value[MANY];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long order;

static void end_an_epoch()
{
	pthread_mutex_lock(&mutex);
	order++;
	pthread_mutex_unlock(&mutex);
}

static void *look_through(void *arg)
{
	long sum = 0;

	for (int round = 0; round < 8; round++) {
		long seen = 0;
		if (round == 5) {
			step(0);
			await_step(1);
		}
		for (int k = 0; k < MANY; k++)
			if (ready[k].load(std::memory_order_acquire))
				seen += value[k];
		sum = seen;
		if (round < 4)
			end_an_epoch();
	}
	MUST(sum == SOME * THERE + SOME * (SOME - 1) / 2);
	return arg;
}

static void *set_each(void *arg)
{
	await_step(0);
	for (int k = THERE; k < THERE + SOME; k++) {
		value[k] = k;
		ready[k].store(1, std::memory_order_release);
	}
	step(1);
	return arg;
}

static void looked_through() // EXPECT: silence in looked_through
{
	run_two(look_through, set_each);
}

// ---- an array of them, set by a loop that has run before ----
static void *set_again(void *arg)
{
	for (int round = 0; round < 6; round++) {
		for (int k = 0; k < MANY; k++) {
			if (round == 5 && k == PAUSE) {
				step(0);
				await_step(1);
			}
			if (round == 5)
				value[k] = k;
			ready[k].store(round, std::memory_order_release);
		}
		if (round < 5)
			end_an_epoch();
	}
	step(2);
	return arg;
}

static void *look_in_between(void *arg)
{
	long sum = 0;

	await_step(0);
	for (int k = THERE; k < THERE + SOME; k++)
		if (ready[k].load(std::memory_order_acquire) == 5)
			sum += value[k];
	step(1);
	MUST(sum == 0);
	await_step(2);
	for (int k = THERE; k < THERE + SOME; k++)
		if (ready[k].load(std::memory_order_acquire) == 5)
			sum += value[k];
	MUST(sum > 0);
	return arg;
}

static void set_in_a_loop() // EXPECT: silence in set_in_a_loop
{
	run_two(set_again, look_in_between);
}

// ---- set up by the thread that sets it, long before ----
static std::atomic<int> &go = heap->go;
static long made;

static void *await_go(void *arg)
{
	step(0);
	while (!go.load(std::memory_order_acquire))
		;
	LOOK(made);
	return arg;
}

static void set_up_long_ago() // EXPECT: silence in set_up_long_ago
{
	go.store(0, std::memory_order_relaxed);
	pthread_t t = start(await_go);
	await_step(0);
	for (int i = 0; i < 30; i++)
		end_an_epoch();
	made = 1;
	go.store(1, std::memory_order_release);
	finish(t);
}

CASES(CASE(eight_set_first), CASE(eight_awaited), CASE(five_set_first), CASE(looked_through), CASE(set_in_a_loop), CASE(set_up_long_ago))
