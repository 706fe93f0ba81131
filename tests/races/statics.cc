// Function-local statics: the guard orders their making, not what is done to them later. thread_local objects with
// constructors.
#include <string>
#include <vector>

#include "race.h"

struct config {
	int value;
	std::string name;
	config() : value(1), name("a name too long to be kept inside the string itself") {}
};

static config &the_config()
{
	static config c;
	return c;
}

static void use()
{
	MUST(the_config().value == 1);
	MUST(the_config().name.size() > 20);
}

static void guarded() // EXPECT: silence in guarded
{
	in_turn3(use, use, use);
}

static void change()
{
	the_config().value++; // EXPECT: data-race in changed_later
}

static void changed_later()
{
	in_turn(change, change);
}

static void *use_often(void *arg)
{
	for (int i = 0; i < 1000; i++)
		use();
	return arg;
}

static void contended() // EXPECT: silence in contended
{
	run_two(use_often, use_often);
}

// Throws the first time: the guard is given back, the next one makes it.
static int attempts;

struct moody {
	int value;
	moody() : value(7)
	{
		if (++attempts == 1)
			throw 1;
	}
};

static void try_moody()
{
	try {
		static moody it;
		MUST(it.value == 7);
	} catch (int) {
	}
}

// TSAN: cries in thrown: it takes no order from a guard given back
static void thrown() // EXPECT: silence in thrown
{
	in_turn3(try_moody, try_moody, try_moody);
	MUST(attempts == 2);
}

static thread_local std::vector<int> mine;

static void fill_mine()
{
	for (int i = 0; i < 100; i++)
		mine.push_back(i);
	MUST(mine.size() == 100);
}

static void thread_local_object() // EXPECT: silence in thread_local_object
{
	in_turn3(fill_mine, fill_mine, fill_mine);
}

CASES(CASE(guarded), CASE(changed_later), CASE(contended), CASE(thrown), CASE(thread_local_object))
