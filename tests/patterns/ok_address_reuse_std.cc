/* EXPECT: nothing */
/* std::mutex makes no init and no destroy call: only the delete tells that the next object there has another lock. */
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>
#include "invisible.h"

struct object {
	char pad[64];
	std::mutex lock;
	char more[200];
};

static std::mutex global;
static struct gate handed_over;
static object *shared;

static void inside()
{
	object *o = new object;
	void *where = o;
	{
		std::lock_guard<std::mutex> g(global);
		std::lock_guard<std::mutex> l(o->lock);
	}
	delete o;
	o = new object;
	if (o != where) {
		fprintf(stderr, "the address was not used again\n");
		exit(99);
	}
	shared = o;
	gate_open(&handed_over);
}

static void around()
{
	gate_wait(&handed_over);
	{
		std::lock_guard<std::mutex> l(shared->lock);
		std::lock_guard<std::mutex> g(global);
	}
	delete shared;
}

int main()
{
	std::thread t1(inside), t2(around);
	t1.join();
	t2.join();
	return 0;
}
