/* EXPECT: nothing */
/* Whoever drops the last reference destroys and frees the object whose mutex the other has only just released: POSIX
 * allows it, and nothing may touch the mutex after its unlock let the other one in. */
#include "basics.h"
#include "invisible.h"

struct object {
	pthread_mutex_t lock;
	int refs;
};

static struct object *current;
static struct meeting start_round, end_round;

static void *drop(void *arg)
{
	for (int i = 0; i < 300; i++) {
		struct object *o;
		int last;

		if (arg) {
			current = calloc(1, sizeof(*o));
			MUST(current);
			OK(pthread_mutex_init(&current->lock, NULL));
			current->refs = 2;
		}
		meet(&start_round, 2);
		o = current;
		pthread_mutex_lock(&o->lock);
		last = --o->refs == 0;
		pthread_mutex_unlock(&o->lock);
		if (last) {
			OK(pthread_mutex_destroy(&o->lock));
			memset(o, 0xaa, sizeof(*o));
			free(o);
		}
		meet(&end_round, 2);
	}
	return NULL;
}

int main(void)
{
	pthread_t t = start_with(drop, &current);

	drop(NULL);
	finish(t);
	return 0;
}
