// What the standard library of C++20 orders: most of it is atomics and futexes in its headers.
#if __cplusplus < 202002L
int main()
{
	return 0; // no cases
}
#else
#include <atomic>
#include <barrier>
#include <condition_variable>
#include <future>
#include <latch>
#include <memory>
#include <mutex>
#include <semaphore>
#include <shared_mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "race.h"

static int data[8];

static void latches() // EXPECT: silence in latches
{
	std::latch done(3), go(1);
	std::jthread t[3];

	for (int i = 0; i < 3; i++)
		t[i] = std::jthread([&, i] {
			go.wait();
			MUST(data[4] == 1);
			data[i] = i + 1;
			done.count_down();
		});
	data[4] = 1;
	go.count_down();
	done.wait();
	MUST(data[0] + data[1] + data[2] == 6);
}

static void barriers() // EXPECT: silence in barriers
{
	std::barrier b(3, []() noexcept { data[5] = data[0] + data[1] + data[2]; });
	std::jthread t[3];

	for (int i = 0; i < 3; i++)
		t[i] = std::jthread([&, i] {
			for (int r = 0; r < 30; r++) {
				data[i] = r;
				b.arrive_and_wait();
				MUST(data[5] == 3 * r && data[(i + 1) % 3] == r);
				b.arrive_and_wait();
			}
		});
}

static void semaphores() // EXPECT: silence in semaphores
{
	std::counting_semaphore<4> items(0);
	std::binary_semaphore room(1);
	std::jthread p([&] {
		for (int i = 0; i < 200; i++) {
			room.acquire();
			data[0] = i;
			items.release();
		}
	});
	std::jthread c([&] {
		for (int i = 0; i < 200; i++) {
			items.acquire();
			MUST(data[0] == i);
			room.release();
		}
	});
}

static void waits() // EXPECT: silence in waits
{
	std::atomic<int> turn{ 0 };
	std::jthread a([&] {
		for (int i = 0; i < 100; i++) {
			turn.wait(1);
			data[0] = i;
			turn.store(1);
			turn.notify_one();
		}
	});
	std::jthread b([&] {
		for (int i = 0; i < 100; i++) {
			turn.wait(0);
			MUST(data[0] == i);
			turn.store(0, std::memory_order_release);
			turn.notify_one();
		}
	});
}

static void flags() // EXPECT: silence in flags
{
	std::atomic_flag f;
	std::jthread a([&] {
		f.wait(false);
		MUST(data[1] == 5);
	});

	data[1] = 5;
	f.test_and_set();
	f.notify_all();
}

static void shared_pointers() // EXPECT: silence in shared_pointers
{
	std::atomic<std::shared_ptr<int>> p;
	std::jthread a([&] {
		for (int i = 1; i <= 300; i++)
			p.store(std::make_shared<int>(i));
	});
	std::jthread b([&] {
		for (int last = 0; last < 300;)
			if (auto q = p.load()) {
				MUST(*q >= last);
				last = *q;
			}
	});
}

static void futures() // EXPECT: silence in futures
{
	int x = 0;
	auto f = std::async(std::launch::async, [&] {
		x = 1;
		return std::vector<int>{ 1, 2, 3 };
	});
	std::packaged_task<int(int)> task([](int a) {
		data[2] = a;
		return a + 1;
	});
	auto h = task.get_future();
	std::jthread t(std::move(task), 4);

	MUST(f.get().size() == 3 && x == 1);
	MUST(h.get() == 5 && data[2] == 4);
}

static void stopped() // EXPECT: silence in stopped
{
	std::jthread a([](std::stop_token s) {
		while (!s.stop_requested())
			std::this_thread::yield();
		MUST(data[4] == 3);
	});

	data[4] = 3;
	a.request_stop();
}

static void any_condition() // EXPECT: silence in any_condition
{
	std::shared_mutex m;
	std::condition_variable_any c;
	bool ready = false;
	std::jthread a([&](std::stop_token s) {
		std::shared_lock l(m);
		if (c.wait(l, s, [&] { return ready; }))
			MUST(data[3] == 9);
	});

	{
		std::unique_lock l(m);
		data[3] = 9;
		ready = true;
	}
	c.notify_all();
}

static void references() // EXPECT: silence in references
{
	static long n;
	std::jthread t[3];

	for (std::jthread &x : t)
		x = std::jthread([] {
			for (int i = 0; i < 100; i++)
				std::atomic_ref<long>(n)++;
		});
}

// ---- the mistakes ----
static std::latch gate(1);

static void count_then_write()
{
	gate.count_down();
	data[6] = 1; // EXPECT: data-race in counted_too_early
}

static void wait_then_look()
{
	gate.wait();
	LOOK(data[6]); // EXPECT: data-race in counted_too_early
}

static void counted_too_early()
{
	in_turn(count_then_write, wait_then_look);
}

CASES(CASE(latches), CASE(barriers), CASE(semaphores), CASE(waits), CASE(flags), CASE(shared_pointers), CASE(futures),
      CASE(stopped), CASE(any_condition), CASE(references), CASE(counted_too_early))
#endif
