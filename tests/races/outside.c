/* TSAN: none: it does not see what GLib is made of */
/* Libraries that are not watched: their locks and queues order what the program does. GLib's are made of atomics and
 * futexes. */
#include <dlfcn.h>
#include <stdbool.h>

#include "race.h"

typedef struct {
	void *p[2];
} glib_mutex;

static void (*mutex_init)(glib_mutex *), (*mutex_lock)(glib_mutex *), (*mutex_unlock)(glib_mutex *);
static void *(*queue_new)(void), *(*queue_pop)(void *);
static void (*queue_push)(void *, void *), (*cond_wait)(glib_mutex *, glib_mutex *), (*cond_broadcast)(glib_mutex *);
static int (*bit_trylock)(int *, int);
static void (*bit_lock)(int *, int), (*bit_unlock)(int *, int);

static bool have_glib(void)
{
	void *g = dlopen("libglib-2.0.so.0", RTLD_NOW);

	if (!g)
		return false;
#define FIND(f) *(void **)&f = dlsym(g, "g_" #f)
	FIND(mutex_init);
	FIND(mutex_lock);
	FIND(mutex_unlock);
	FIND(cond_wait);
	FIND(cond_broadcast);
	FIND(bit_lock);
	FIND(bit_trylock);
	FIND(bit_unlock);
	*(void **)&queue_new = dlsym(g, "g_async_queue_new");
	*(void **)&queue_pop = dlsym(g, "g_async_queue_pop");
	*(void **)&queue_push = dlsym(g, "g_async_queue_push");
	return mutex_init && mutex_lock && mutex_unlock && cond_wait && cond_broadcast && bit_lock && bit_trylock &&
	       bit_unlock && queue_new && queue_pop && queue_push;
}

int data;
static glib_mutex mutex, cond;
static int bits;
static void *queue;
static int ready;

static void run_both(void *(*f)(void *), void *(*g)(void *))
{
	pthread_t t = start_with(f, NULL), u = start_with(g, NULL);

	finish(t);
	finish(u);
}

static void *count(void *arg)
{
	for (int i = 0; i < 1000; i++) {
		mutex_lock(&mutex);
		data++;
		mutex_unlock(&mutex);
	}
	return arg;
}

static void locked(void) /* EXPECT: silence in locked */
{
	if (!have_glib())
		return;
	run_both(count, count);
	MUST(data == 2000);
}

static void *count_bits(void *arg)
{
	for (int i = 0; i < 1000; i++) {
		if (i % 3 || !bit_trylock(&bits, 3))
			bit_lock(&bits, 3);
		data++;
		bit_unlock(&bits, 3);
	}
	return arg;
}

static void locked_by_bit(void) /* EXPECT: silence in locked_by_bit */
{
	if (!have_glib())
		return;
	run_both(count_bits, count_bits);
	MUST(data == 2000);
}

static void *produce(void *arg)
{
	for (int i = 1; i <= 500; i++) {
		int *item = malloc(sizeof(*item));

		*item = i;
		queue_push(queue, item);
	}
	return arg;
}

static void *consume(void *arg)
{
	long sum = 0;

	for (int i = 1; i <= 500; i++) {
		int *item = queue_pop(queue);

		sum += *item;
		free(item);
	}
	MUST(sum == 500 * 501 / 2);
	return arg;
}

static void queued(void) /* EXPECT: silence in queued */
{
	if (!have_glib())
		return;
	queue = queue_new();
	run_both(consume, produce);
}

static void *await_ready(void *arg)
{
	mutex_lock(&mutex);
	while (!ready)
		cond_wait(&cond, &mutex);
	mutex_unlock(&mutex);
	LOOK(data);
	return arg;
}

static void *make_ready(void *arg)
{
	data = 1;
	mutex_lock(&mutex);
	ready = 1;
	cond_broadcast(&cond);
	mutex_unlock(&mutex);
	return arg;
}

static void waited_for(void) /* EXPECT: silence in waited_for */
{
	if (have_glib())
		run_both(await_ready, make_ready);
}

static void write_unlocked(void)
{
	mutex_lock(&mutex);
	mutex_unlock(&mutex);
	data = 1; /* EXPECT: data-race in unlocked_too_early */
}

static void look_locked(void)
{
	mutex_lock(&mutex);
	LOOK(data); /* EXPECT: data-race in unlocked_too_early */
	mutex_unlock(&mutex);
}

static void nothing(glib_mutex *m)
{
	(void)m;
}

static void unlocked_too_early(void)
{
	if (!have_glib())
		mutex_lock = mutex_unlock = nothing;
	in_turn(write_unlocked, look_locked);
}

CASES(CASE(locked), CASE(locked_by_bit), CASE(queued), CASE(waited_for), CASE(unlocked_too_early))
