/* EXPECT: lock-order:possible */
/* std::shared_mutex: one side reads A inside B, the other writes A and wants B. */
#include <mutex>
#include <shared_mutex>
#include <thread>
#include "invisible.h"

static std::shared_mutex a;
static std::mutex b;
static struct gate first_done;

static void ab()
{
	{
		std::unique_lock<std::shared_mutex> la(a);
		std::lock_guard<std::mutex> lb(b);
	}
	gate_open(&first_done);
}

static void ba()
{
	gate_wait(&first_done);
	std::lock_guard<std::mutex> lb(b);
	std::shared_lock<std::shared_mutex> la(a);
}

int main()
{
	std::thread t1(ab), t2(ba);
	t1.join();
	t2.join();
	return 0;
}
