/* EXPECT: lock-order:advice */
/* std::timed_mutex::try_lock_for is pthread_mutex_clocklock; inverted against a plain lock of the same mutexes. */
#include <chrono>
#include <mutex>
#include <thread>
#include "invisible.h"

static std::timed_mutex a, b;
static struct gate first_done;

static void ab()
{
	{
		std::lock_guard<std::timed_mutex> la(a);
		std::lock_guard<std::timed_mutex> lb(b);
	}
	gate_open(&first_done);
}

static void ba()
{
	gate_wait(&first_done);
	std::lock_guard<std::timed_mutex> lb(b);
	if (a.try_lock_for(std::chrono::seconds(5)))
		a.unlock();
}

int main()
{
	std::thread t1(ab), t2(ba);
	t1.join();
	t2.join();
	return 0;
}
