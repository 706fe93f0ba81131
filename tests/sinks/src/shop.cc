// shop.cc - Races as they come in C++ programs: members, containers, lambdas, arrays, locks that differ.
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace shop {
struct Limits { int min = 0, max = 0; };
struct Config { std::string name = "x"; Limits limits[4]; bool verbose = false; };
Config config;
class Cache {
public:
	void put(int k, int v)
	{
		map_[k] = v;
		hits_++;
	}
private:
	std::mutex lock_;
	std::map<int, int> map_;
	long hits_ = 0;
};
}
static std::unique_ptr<shop::Cache> cache;
static std::vector<int> results;
static int table[16][4];
static std::mutex left, right;

static void work(int n)
{
	if (n) // of two accesses at the very same moment, one may go unseen
		std::this_thread::sleep_for(std::chrono::milliseconds(30));
	shop::config.limits[3].max = n;
	cache->put(1, n);
	for (int i = 0; i < 8; i++)
		results[i] = n;
	std::lock_guard<std::mutex> hold(n ? left : right);
	for (int i = 0; i < 4; i++)
		table[5][i]++;
}

int main()
{
	cache = std::make_unique<shop::Cache>();
	results.resize(8);
	int local = 0;
	std::thread a([&local] { local++, work(0); });
	std::thread b([&local] { local++, work(1); });
	a.join();
	b.join();
}
