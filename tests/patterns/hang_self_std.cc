/* EXPECT: self-deadlock:confirmed; hangs */
/* A member function that locks, called by another one that has locked. */
#include <mutex>

class counter
{
	std::mutex lock;
	int n = 0;

      public:
	int get()
	{
		std::lock_guard<std::mutex> l(lock);
		return n;
	}
	int next()
	{
		std::lock_guard<std::mutex> l(lock);
		n++;
		return get();
	}
};

int main()
{
	counter *c = new counter;
	return c->next();
}
