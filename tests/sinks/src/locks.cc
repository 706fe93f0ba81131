// locks.cc - The C++ half: std::mutex has no init call and is taken through inlined wrappers.
#include <mutex>

namespace bank {

struct account {
	int id = 0;
	std::mutex guard;
};

account accounts[2];

template <typename T> class vault {
public:
	__attribute__((noinline)) void move(T &from, T &to)
	{
		std::lock_guard<std::mutex> first(from.guard);
		std::lock_guard<std::mutex> second(to.guard);
		to.id = from.id;
	}
};

} // namespace bank

int main()
{
	bank::vault<bank::account> v;
	v.move(bank::accounts[0], bank::accounts[1]);
	return 0;
}
