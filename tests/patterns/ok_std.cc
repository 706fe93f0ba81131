/* EXPECT: nothing */
/* The C++ library's primitives as they are meant: timed and shared mutexes, conditions, call_once, futures,
 * thread_local. */
#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

static std::timed_mutex timed;
static std::shared_timed_mutex shared_timed;
static std::shared_mutex shared;
static std::recursive_mutex recursive;
static std::mutex m;
static std::condition_variable cv;
static std::condition_variable_any cv_any;
static std::once_flag flag;
static int ready, count;

struct local {
	~local()
	{
		std::lock_guard<std::mutex> l(m);
		count++;
	}
};

static void work()
{
	static thread_local local at_end;

	(void)&at_end;
	std::call_once(flag, [] { std::lock_guard<std::mutex> l(m); });
	for (int i = 0; i < 20; i++) {
		if (timed.try_lock_for(1s)) {
			std::shared_lock<std::shared_timed_mutex> r(shared_timed);
			timed.unlock();
		}
		std::lock_guard<std::recursive_mutex> r1(recursive);
		std::lock_guard<std::recursive_mutex> r2(recursive);
		std::shared_lock<std::shared_mutex> reader(shared);
	}
	{
		std::unique_lock<std::shared_mutex> writer(shared);
		cv_any.wait_for(writer, 1ms);
	}
	std::unique_lock<std::mutex> l(m);
	cv.wait(l, [] { return ready; });
}

int main()
{
	std::vector<std::thread> all;
	for (int i = 0; i < 4; i++)
		all.emplace_back(work);
	auto f = std::async(std::launch::async, [] { return 42; });
	int answer = f.get();
	{
		std::lock_guard<std::mutex> l(m);
		ready = 1;
	}
	cv.notify_all();
	for (auto &t : all)
		t.join();
	return answer == 42 && count == 4 ? 0 : 99;
}
