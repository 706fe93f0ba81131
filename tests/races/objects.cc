// Objects: calls through a table that another thread is taking away, members of bases, functions, strings and maps.
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "race.h"

struct base {
	int count = 0;
	virtual ~base() { count = -1; }
	virtual int call() { return ++count; }
};

struct derived : base {
	int more = 0;
	~derived() override { more = -1; }
	int call() override { return ++more; }
};

static base *object;
static std::mutex m;

static void call()
{
	LOOK(object->call()); // EXPECT: data-race in destroyed_while_called
}

static void destroy()
{
	delete object; // EXPECT: data-race in destroyed_while_called
}

static void destroyed_while_called()
{
	object = new derived;
	in_turn(call, destroy);
}

static void call_locked()
{
	std::lock_guard<std::mutex> lock(m);
	LOOK(object->call());
}

static void destroy_locked()
{
	std::lock_guard<std::mutex> lock(m);
	delete object;
}

static void destroyed_locked() // EXPECT: silence in destroyed_locked
{
	object = new derived;
	in_turn3(call_locked, call_locked, destroy_locked);
}

static std::map<int, std::string> tree;
static std::unordered_map<int, std::string> table;

static void insert()
{
	tree[1] = "one"; // EXPECT: data-race in map
}

static void find()
{
	LOOK(tree.count(2)); // EXPECT: data-race in map
}

static void map()
{
	in_turn(insert, find);
}

static void find_both()
{
	MUST(tree.at(5) == "five" && table.at(5) == "five");
	LOOK(tree.count(7) + table.count(7));
}

// Looking is no writing: any number at a time.
static void *find_often(void *arg)
{
	for (int i = 0; i < 200; i++)
		find_both();
	return arg;
}

static void only_looked_at() // EXPECT: silence in only_looked_at
{
	for (int i = 0; i < 20; i++)
		tree[i] = table[i] = i == 5 ? "five" : "another one, long enough to be on the heap";
	run_two(find_often, find_often);
}

static std::string text = "a string that is long enough to be on the heap";

static void copy_text()
{
	std::string mine = text;
	LOOK(mine.size());
}

static void change_text()
{
	text[3] = 'x'; // EXPECT: data-race in string
}

static void look_text()
{
	LOOK(text[3]); // EXPECT: data-race in string
}

static void string()
{
	in_turn3(copy_text, look_text, change_text);
}

static void copies() // EXPECT: silence in copies
{
	in_turn3(copy_text, copy_text, copy_text);
}

static std::function<int()> task;

static void give_task()
{
	auto p = std::make_shared<int>(5);
	std::lock_guard<std::mutex> lock(m);
	task = [p] { return ++*p; };
}

static void run_task()
{
	std::function<int()> mine;
	{
		std::lock_guard<std::mutex> lock(m);
		mine = std::move(task);
	}
	MUST(mine() == 6);
}

static void functions() // EXPECT: silence in functions
{
	in_turn(give_task, run_task);
}

CASES(CASE(destroyed_while_called), CASE(destroyed_locked), CASE(map), CASE(only_looked_at), CASE(string), CASE(copies),
      CASE(functions))
