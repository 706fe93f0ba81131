/* EXPECT: nothing */
/* std::lock and std::scoped_lock take their locks in any order and back off: no deadlock in whatever order they are
 * named. */
#include <mutex>
#include <thread>

static std::mutex a, b, c;

static void forwards()
{
	for (int i = 0; i < 200; i++)
		std::scoped_lock all(a, b, c);
}

static void backwards()
{
	for (int i = 0; i < 200; i++)
		std::scoped_lock all(c, b, a);
}

static void by_hand()
{
	for (int i = 0; i < 200; i++) {
		std::unique_lock<std::mutex> x(b, std::defer_lock), y(a, std::defer_lock);
		std::lock(x, y);
	}
}

int main()
{
	std::thread t1(forwards), t2(backwards), t3(by_hand);
	t1.join();
	t2.join();
	t3.join();
	return 0;
}
