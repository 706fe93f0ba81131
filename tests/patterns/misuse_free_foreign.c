/* EXPECT: free-held:confirmed */
/* Memory freed while another thread holds the lock in it (and will unlock what is no longer there). */
#include "basics.h"
#include "invisible.h"

static struct object {
	char pad[64];
	pthread_mutex_t lock;
	char more[100];
} * o;
static struct gate first_there, second_done;

static void *first(void *arg)
{
	o = calloc(1, sizeof(*o));
	MUST(o);
	pthread_mutex_lock(&o->lock);
	gate_open(&first_there);
	gate_wait(&second_done);
	return arg;
}

static void *second(void *arg)
{
	gate_wait(&first_there);
	free(o); // EXPECT free-held
	gate_open(&second_done);
	return arg;
}

int main(void)
{
	run_two(first, second);
	return 0;
}
