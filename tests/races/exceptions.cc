// Exceptions: through racy code, through locks, and from one thread to another.
#include <exception>
#include <thread>
#include <future>
#include <mutex>
#include <stdexcept>
#include <string>

#include "race.h"

int data;
static std::mutex m;

__attribute__((noinline)) static void thrower(int depth)
{
	if (depth == 0)
		throw std::runtime_error("from below");
	thrower(depth - 1);
	LOOK(depth);
}

static void add_and_throw()
{
	data++; // EXPECT: data-race in through_racy_code
	thrower(5);
	data = 0;
}

static void catch_it()
{
	bool caught = false;

	try {
		add_and_throw();
	} catch (const std::exception &e) {
		caught = e.what() == std::string("from below");
	}
	MUST(caught);
}

static void through_racy_code()
{
	in_turn(catch_it, catch_it);
}

static void add_locked_and_throw()
{
	std::lock_guard<std::mutex> lock(m);
	data++;
	thrower(5);
}

static void catch_unlocked()
{
	for (int i = 0; i < 20; i++) {
		try {
			add_locked_and_throw();
		} catch (const std::runtime_error &) {
		}
	}
}

static void lock_unwound() // EXPECT: silence in lock_unwound
{
	in_turn3(catch_unlocked, catch_unlocked, catch_unlocked);
	MUST(data == 60);
}

struct failure {
	int code;
};

static int *where_it_was = new int(0);
static std::exception_ptr kept;

static void keep()
{
	try {
		*where_it_was = 5;
		throw failure{ 3 };
	} catch (...) {
		std::lock_guard<std::mutex> lock(m);
		kept = std::current_exception();
	}
}

static void rethrow()
{
	std::exception_ptr mine;

	{
		std::lock_guard<std::mutex> lock(m);
		mine = kept;
	}
	try {
		std::rethrow_exception(mine);
	} catch (failure &f) {
		MUST(f.code == 3 && *where_it_was == 5);
	}
}

static void kept_exception() // EXPECT: silence in kept_exception
{
	in_turn3(keep, rethrow, rethrow);
}

// ---- one that several hold, and whoever is last destroys it: counted inside the C++ library ----
static std::exception_ptr shares[3];

static void drop(int i)
{
	try {
		std::rethrow_exception(shares[i]);
	} catch (failure &f) {
		MUST(f.code == 4);
	}
	shares[i] = nullptr;
}

static void shared_exception() // EXPECT: silence in shared_exception
{
	for (int r = 0; r < 20; r++) {
		try {
			throw failure{ 4 };
		} catch (...) {
			shares[0] = shares[1] = shares[2] = std::current_exception();
		}
		std::thread t[3];
		for (int i = 0; i < 3; i++)
			t[i] = std::thread(drop, i);
		for (std::thread &x : t)
			x.join();
	}
}

CASES(CASE(through_racy_code), CASE(lock_unwound), CASE(kept_exception), CASE(shared_exception))
