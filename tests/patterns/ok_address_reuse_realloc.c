/* EXPECT: nothing */
/* A block moves by realloc; its old place becomes another object, whose lock (all zero is a valid one) is another lock.
 */
#include "basics.h"
#include "invisible.h"

#define SMALL 200

static pthread_mutex_t global = PTHREAD_MUTEX_INITIALIZER;
static struct gate moved;
static pthread_mutex_t *shared;

static void *inside(void *arg)
{
	char *block = calloc(1, SMALL), *fence = malloc(SMALL), *place = block, *again;
	pthread_mutex_t *m = (pthread_mutex_t *)(block + 64);

	MUST(block && fence);
	pthread_mutex_lock(&global);
	pthread_mutex_lock(m);
	pthread_mutex_unlock(m);
	pthread_mutex_unlock(&global);
	block = realloc(block, 100 * SMALL);
	MUST(block && block != place);
	again = malloc(SMALL);
	MUST(again == place);
	memset(again, 0, SMALL);
	shared = (pthread_mutex_t *)(again + 64);
	gate_open(&moved);
	free(block);
	free(fence);
	return arg;
}

static void *around(void *arg)
{
	gate_wait(&moved);
	pthread_mutex_lock(shared);
	pthread_mutex_lock(&global);
	pthread_mutex_unlock(&global);
	pthread_mutex_unlock(shared);
	return arg;
}

int main(void)
{
	run_two(inside, around);
	free((char *)shared - 64);
	return 0;
}
