// std::shared_ptr: its counts are atomic, what it points to and the pointer itself are not.
#include <atomic>
#include <memory>

#include "race.h"

struct thing {
	int value = 1;
	~thing() { value = -1; }
};

static std::shared_ptr<thing> one, two, common;
static std::weak_ptr<thing> weak;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

static void make()
{
	one = std::make_shared<thing>();
	two = one;
}

static void look_and_drop_one()
{
	LOOK(one->value);
	one.reset();
}

static void look_and_drop_two()
{
	LOOK(two->value);
	two.reset();
}

// Whoever drops the last one destroys: after all others have dropped theirs.
static void last_one_destroys() // EXPECT: silence in last_one_destroys
{
	make();
	in_turn(look_and_drop_one, look_and_drop_two);
}

static void *copy_and_drop(void *arg)
{
	auto p = *static_cast<std::shared_ptr<thing> *>(arg);

	for (int i = 0; i < 1000; i++) {
		auto q = p;
		LOOK(q->value);
	}
	return nullptr;
}

static void copied() // EXPECT: silence in copied
{
	make();
	pthread_t t = start_with(copy_and_drop, &one), u = start_with(copy_and_drop, &two);
	finish(t);
	finish(u);
}

static void write_through_one()
{
	one->value = 2; // EXPECT: data-race in what_it_points_to
}

static void write_through_two()
{
	two->value = 3; // EXPECT: data-race in what_it_points_to
}

static void what_it_points_to()
{
	make();
	in_turn(write_through_one, write_through_two);
}

static void assign()
{
	common = std::make_shared<thing>(); // EXPECT: data-race in the_pointer_itself
}

static void copy()
{
	auto mine = common; // EXPECT: data-race in the_pointer_itself
	LOOK(mine.get());
}

static void the_pointer_itself()
{
	in_turn(assign, copy);
}

static void assign_locked()
{
	pthread_mutex_lock(&m);
	common = std::make_shared<thing>();
	pthread_mutex_unlock(&m);
}

static void copy_locked()
{
	pthread_mutex_lock(&m);
	auto mine = common;
	pthread_mutex_unlock(&m);
	LOOK(mine->value);
}

static void pointer_locked() // EXPECT: silence in pointer_locked
{
	in_turn3(assign_locked, copy_locked, assign_locked);
}

static void store()
{
	std::atomic_store(&common, std::make_shared<thing>());
}

static void load()
{
	auto mine = std::atomic_load(&common);
	LOOK(mine->value);
}

static void atomic_functions() // EXPECT: silence in atomic_functions
{
	in_turn3(store, load, store);
}

static void lock_weak()
{
	if (auto p = weak.lock())
		LOOK(p->value);
}

static void drop_both()
{
	one.reset();
	two.reset();
}

static void weak_pointer() // EXPECT: silence in weak_pointer
{
	make();
	weak = one;
	in_turn3(lock_weak, drop_both, lock_weak);
}

CASES(CASE(last_one_destroys), CASE(copied), CASE(what_it_points_to), CASE(the_pointer_itself), CASE(pointer_locked),
      CASE(atomic_functions), CASE(weak_pointer))
