/* EXPECT: nothing */
/* The same address is first a lock taken inside `global`, then, after free and malloc, one taken around it: two locks.
 */
#include "basics.h"
#include "invisible.h"

struct object {
	char pad[64]; /* malloc keeps its list in the first bytes of what was freed */
	pthread_mutex_t lock;
	char more[200];
};

static pthread_mutex_t global = PTHREAD_MUTEX_INITIALIZER;
static struct gate freed;
static void *where;

static void *inside(void *arg)
{
	struct object *o = malloc(sizeof(*o));

	MUST(o);
	where = o;
	OK(pthread_mutex_init(&o->lock, NULL));
	pthread_mutex_lock(&global);
	pthread_mutex_lock(&o->lock);
	pthread_mutex_unlock(&o->lock);
	pthread_mutex_unlock(&global);
	pthread_mutex_destroy(&o->lock);
	free(o);
	o = malloc(sizeof(*o));
	MUST(o == where);
	OK(pthread_mutex_init(&o->lock, NULL));
	where = o;
	gate_open(&freed);
	return arg;
}

static void *around(void *arg)
{
	struct object *o;

	gate_wait(&freed);
	o = where;
	pthread_mutex_lock(&o->lock);
	pthread_mutex_lock(&global);
	pthread_mutex_unlock(&global);
	pthread_mutex_unlock(&o->lock);
	pthread_mutex_destroy(&o->lock);
	free(o);
	return arg;
}

int main(void)
{
	run_two(inside, around);
	return 0;
}
