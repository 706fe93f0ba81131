// Double-checked locking: right with an atomic pointer, wrong with a plain one, and with a field set too late.
#include <atomic>
#include <mutex>

#include "race.h"

struct service {
	int a = 1, b = 0;
};

static std::mutex m;
static std::atomic<service *> right;
service *wrong;

static service *get_right()
{
	service *s = right.load(std::memory_order_acquire);

	if (!s) {
		std::lock_guard<std::mutex> lock(m);
		s = right.load(std::memory_order_relaxed);
		if (!s) {
			s = new service;
			s->b = 2;
			right.store(s, std::memory_order_release);
		}
	}
	return s;
}

static void use_right()
{
	service *s = get_right();

	MUST(s->a == 1 && s->b == 2);
}

static void with_atomic() // EXPECT: silence in with_atomic
{
	in_turn3(use_right, use_right, use_right);
}

static void use_wrong()
{
	if (!wrong) { // EXPECT: data-race in plain_pointer
		std::lock_guard<std::mutex> lock(m);
		if (!wrong)
			wrong = new service; // EXPECT: data-race in plain_pointer
	}
	MUST(wrong->a == 1); // MAY: data-race in plain_pointer
}

static void plain_pointer()
{
	in_turn(use_wrong, use_wrong);
}

static void make_unfinished()
{
	service *s = new service;

	right.store(s, std::memory_order_release);
	s->b = 2; // EXPECT: data-race in set_too_late
}

static void use_unfinished()
{
	service *s = right.load(std::memory_order_acquire);

	LOOK(s->b); // EXPECT: data-race in set_too_late
}

static void set_too_late()
{
	in_turn(make_unfinished, use_unfinished);
}

static void *use_often(void *arg)
{
	for (int i = 0; i < 1000; i++)
		use_right();
	return arg;
}

static void contended() // EXPECT: silence in contended
{
	run_two(use_often, use_often);
}

CASES(CASE(with_atomic), CASE(plain_pointer), CASE(set_too_late), CASE(contended))
