/* Code that comes while the program runs: races in it and with it, threads of its constructor, and its going. */
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>

#include "race.h"

int data;
static void *plugin;
static void (*add)(void);
static void (*add_locked)(void);
static void (*add_to)(int *);
static int (*made_early)(void);

static const char *path_of_plugin(void)
{
	static __thread char path[PATH_MAX];
	char *dir;
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 20);

	MUST(n > 0);
	path[n] = 0;
	dir = dirname(path);
	strcat(dir, "/plugin.so");
	return dir;
}

static void load(void)
{
	plugin = dlopen(path_of_plugin(), RTLD_NOW);
	if (!plugin)
		fprintf(stderr, "%s\n", dlerror());
	MUST(plugin);
	*(void **)&add = dlsym(plugin, "plugin_add");
	*(void **)&add_locked = dlsym(plugin, "plugin_add_locked");
	*(void **)&add_to = dlsym(plugin, "plugin_add_to");
	*(void **)&made_early = dlsym(plugin, "plugin_made_early");
	MUST(add && add_locked && add_to && made_early);
}

static void call_add(void)
{
	add(); /* EXPECT: data-race in inside_the_plugin */
}

static void call_add_locked(void)
{
	add_locked();
}

static void call_add_to(void)
{
	add_to(&data);
}

static void add_here(void)
{
	data++; /* EXPECT: data-race in programs_memory */
}

static void inside_the_plugin(void)
{
	load();
	in_turn(call_add, call_add);
}

static void locked_inside(void) /* EXPECT: silence in locked_inside */
{
	load();
	in_turn3(call_add_locked, call_add_locked, call_add_locked);
}

static void programs_memory(void)
{
	load();
	in_turn(call_add_to, add_here);
}

/* The constructor's thread may run before dlopen has returned. */
static void constructor_thread(void) /* EXPECT: silence in constructor_thread */
{
	load();
	MUST(made_early() == 1);
}

/* Gone and come again, most likely to the same place: its new memory is clean, its code is the same. */
static void come_and_gone(void) /* EXPECT: silence in come_and_gone */
{
	for (int i = 0; i < 10; i++) {
		load();
		MUST(made_early() == 1);
		in_turn(call_add_locked, call_add_locked);
		MUST(dlclose(plugin) == 0);
	}
}

/* Nothing but the loader's own lock orders the constructor and the second one's use. */
static void open_and_ask(void)
{
	void *p = dlopen(path_of_plugin(), RTLD_NOW);
	int (*setting)(void);
	MUST(p);
	*(void **)&setting = dlsym(p, "plugin_setting");
	MUST(setting && setting() == 7); /* EXPECT: data-race in set_after_opening */
}

static void *open_and_ask_too(void *arg)
{
	open_and_ask();
	return arg;
}

static void opened_twice(void) /* EXPECT: silence in opened_twice */
{
	in_turn3(open_and_ask, open_and_ask, open_and_ask);
}

static void opened_at_once(void) /* EXPECT: silence in opened_at_once */
{
	pthread_t t[3];
	for (int i = 0; i < 3; i++)
		t[i] = start(open_and_ask_too);
	for (int i = 0; i < 3; i++)
		finish(t[i]);
}

/* The order ends where dlopen returns. */
static void open_and_set(void)
{
	void *p = dlopen(path_of_plugin(), RTLD_NOW);
	void (*set)(int);
	MUST(p);
	*(void **)&set = dlsym(p, "plugin_set");
	MUST(set);
	set(7); /* EXPECT: data-race in set_after_opening */
}

static void set_after_opening(void)
{
	in_turn(open_and_set, open_and_ask);
}

CASES(CASE(opened_twice), CASE(opened_at_once), CASE(set_after_opening), CASE(inside_the_plugin), CASE(locked_inside), CASE(programs_memory), CASE(constructor_thread),
      CASE(come_and_gone))
