/* engage_cxx.cc - C++ on top of the calls: exceptions thrown through them, errors turned into exceptions. */
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <future>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <system_error>
#include <thread>

struct resource {
	resource()
	{
		static int tries;
		if (tries++ == 0)
			throw std::runtime_error("first construction fails");
		puts("static constructed");
	}
	~resource() { puts("static destroyed"); }
};

static void use_static()
{
	try {
		static resource r;
	} catch (const std::exception &e) {
		printf("caught: %s\n", e.what());
	}
}

struct at_thread_end {
	~at_thread_end() { puts("thread_local destroyed"); }
};

int main()
{
	std::once_flag flag;
	for (int i = 0; i < 3; i++) {
		try {
			std::call_once(flag, [&] {
				printf("call_once, try %d\n", i);
				if (i == 0)
					throw i;
			});
		} catch (int n) {
			printf("caught %d thrown through call_once\n", n);
		}
	}
	use_static();
	use_static();
	use_static();

	std::shared_mutex sm;
	try {
		std::unique_lock<std::shared_mutex> l(sm);
		sm.lock();
		puts("not reached");
	} catch (const std::system_error &e) {
		printf("caught: %s\n", e.code().message().c_str());
	}
	std::timed_mutex tm;
	std::thread holder([&] {
		thread_local at_thread_end local;
		(void)&local;
		std::unique_lock<std::timed_mutex> l(tm);
		std::thread([&] {
			printf("try_lock_for: %d\n", tm.try_lock_for(std::chrono::milliseconds(2)));
		}).join();
	});
	holder.join();
	std::condition_variable cv;
	std::mutex m;
	std::unique_lock<std::mutex> l(m);
	printf("wait_for: %d\n", cv.wait_for(l, std::chrono::milliseconds(2)) == std::cv_status::timeout);
	auto f = std::async(std::launch::async, []() -> int { throw std::logic_error("from a thread"); });
	try {
		f.get();
	} catch (const std::exception &e) {
		printf("caught: %s\n", e.what());
	}
	try {
		std::thread t;
		t.join();
	} catch (const std::system_error &e) {
		printf("caught: %s\n", e.code().message().c_str());
	}
	return 0;
}
