// The C++ library: std::thread, mutexes of all kinds, condition_variable, futures, call_once, containers and lambdas.
#include <condition_variable>
#include <future>
#include <iostream>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <sstream>
#include <thread>
#include <vector>

#include "race.h"

int data;
static std::vector<int> numbers;
static std::vector<bool> flags(64);
static std::mutex m;
static std::shared_mutex sm;
static std::once_flag once;

static void arguments() // EXPECT: silence in arguments
{
	auto text = std::make_unique<std::string>("a string that is long enough to be on the heap");

	std::thread t([p = std::move(text)] { MUST(p->size() > 20); });
	t.join();
}

static void by_reference()
{
	int local = 0;

	std::thread t([&] {
		local = 1; // EXPECT: data-race in by_reference
		step(0);
	});
	await_step(0);
	LOOK(local); // EXPECT: data-race in by_reference
	t.join();
}

static void by_reference_joined() // EXPECT: silence in by_reference_joined
{
	int local = 0;

	std::thread t([&] { local = 1; });
	t.join();
	MUST(local == 1);
}

static void push()
{
	numbers.push_back(1); // EXPECT: data-race in vector
}

static void vector()
{
	in_turn(push, push);
}

static void push_locked()
{
	std::scoped_lock lock(m);
	for (int i = 0; i < 100; i++)
		numbers.push_back(i);
}

static void vector_locked() // EXPECT: silence in vector_locked
{
	in_turn3(push_locked, push_locked, push_locked);
}

static void own_elements_one()
{
	numbers[1] = 1;
}

static void own_elements_two()
{
	numbers[2] = 1;
}

static void elements() // EXPECT: silence in elements
{
	numbers.resize(10);
	in_turn(own_elements_one, own_elements_two);
}

// vector<bool> packs them: two elements, one word.
static void flag_one()
{
	flags[1] = true; // MAY: data-race in vector_of_bool
	step(0);         // the access is inlined from the library: this line stands for it
}

static void flag_two()
{
	flags[2] = true; // EXPECT: data-race in vector_of_bool
}

static void vector_of_bool()
{
	in_turn(flag_one, flag_two);
}

static void write_shared()
{
	std::unique_lock lock(sm);
	data++;
}

static void read_shared()
{
	std::shared_lock lock(sm);
	LOOK(data);
}

static void write_while_sharing()
{
	std::shared_lock lock(sm);
	data++; // EXPECT: data-race in shared_mutex_misused
}

static void shared_mutex() // EXPECT: silence in shared_mutex
{
	in_turn3(write_shared, read_shared, write_shared);
}

static void shared_mutex_misused()
{
	in_turn(write_while_sharing, write_while_sharing);
}

static std::timed_mutex tm;

static void add_timed()
{
	std::unique_lock lock(tm, std::chrono::seconds(10));
	MUST(lock.owns_lock());
	data++;
}

// TSAN: cries in timed_mutex: libtsan 12 does not know pthread_mutex_clocklock
static void timed_mutex() // EXPECT: silence in timed_mutex
{
	in_turn3(add_timed, add_timed, add_timed);
}

static void two_locks()
{
	std::scoped_lock lock(m, tm);
	data++;
}

static void scoped_lock() // EXPECT: silence in scoped_lock
{
	in_turn3(two_locks, two_locks, two_locks);
}

static void use_once()
{
	std::call_once(once, [] { data = 7; });
	MUST(data == 7);
}

static void call_once() // EXPECT: silence in call_once
{
	in_turn3(use_once, use_once, use_once);
}

static std::condition_variable cv;
static bool ready;

static void condition() // EXPECT: silence in condition
{
	std::thread t([] {
		std::unique_lock lock(m);
		cv.wait(lock, [] { return ready; });
		MUST(data == 3);
	});
	data = 3;
	{
		std::lock_guard lock(m);
		ready = true;
	}
	cv.notify_one();
	t.join();
}

// The value goes through the shared state, and with it all that was done before.
static void promise() // EXPECT: silence in promise
{
	std::promise<std::unique_ptr<int>> p;
	auto f = p.get_future();

	std::thread t([&] {
		data = 4;
		p.set_value(std::make_unique<int>(5));
	});
	MUST(*f.get() == 5 && data == 4);
	data = 5;
	t.join();
}

static void async_result() // EXPECT: silence in async_result
{
	auto f = std::async(std::launch::async, [] {
		data = 6;
		return std::string("a string that is long enough to be on the heap");
	});
	MUST(f.get().size() > 20 && data == 6);
	data = 7;
}

static void failed_future() // EXPECT: silence in failed_future
{
	auto f = std::async(std::launch::async,
			    []() -> int { throw std::string("a string that is long enough for the heap"); });
	bool caught = false;

	try {
		f.get();
	} catch (std::string &s) {
		caught = s.size() > 20;
	}
	MUST(caught);
}

// Streams may be used by all at once; each write is whole, or not, but no race.
static void *print(void *arg)
{
	for (int i = 0; i < 20; i++)
		std::cout << "line " << i << std::endl;
	return arg;
}

static void streams() // EXPECT: silence in streams
{
	run_two(print, print);
}

static void format()
{
	std::ostringstream out;

	out << 1 << " " << 2.5 << " " << std::hex << 255;
	MUST(out.str() == "1 2.5 ff");
}

// Locales, facets and their counts are shared behind the scenes.
static void formatting() // EXPECT: silence in formatting
{
	in_turn3(format, format, format);
}

CASES(CASE(arguments), CASE(by_reference), CASE(by_reference_joined), CASE(vector), CASE(vector_locked), CASE(elements),
      CASE(vector_of_bool), CASE(shared_mutex), CASE(shared_mutex_misused), CASE(timed_mutex), CASE(scoped_lock),
      CASE(call_once), CASE(condition), CASE(promise), CASE(async_result), CASE(failed_future), CASE(streams),
      CASE(formatting))
