/* EXPECT: lock-order:possible */
/* std::mutex in both orders, as members of objects on the heap. */
#include <mutex>
#include <thread>
#include "invisible.h"

struct account {
	std::mutex lock;
	int balance = 100;
};

static struct gate first_done;

static void transfer(account *from, account *to, int n)
{
	std::lock_guard<std::mutex> f(from->lock); // EXPECT lock-order
	std::lock_guard<std::mutex> t(to->lock);   // EXPECT lock-order
	from->balance -= n;
	to->balance += n;
}

int main()
{
	account *x = new account, *y = new account;
	std::thread t1([=] {
		transfer(x, y, 10);
		gate_open(&first_done);
	});
	std::thread t2([=] {
		gate_wait(&first_done);
		transfer(y, x, 5);
	});
	t1.join();
	t2.join();
	delete x;
	delete y;
	return 0;
}
