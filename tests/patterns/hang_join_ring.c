/* EXPECT: deadlock:confirmed; hangs */
/* Three threads join each other in a ring; glibc notices only two. */
#include "basics.h"
#include "invisible.h"

#define RING 3

static pthread_t thread[RING];
static struct gate all_there;

static void *join_next(void *arg)
{
	gate_wait(&all_there);
	pthread_join(thread[((long)arg + 1) % RING], NULL); // EXPECT deadlock
	return NULL;
}

int main(void)
{
	for (long i = 0; i < RING; i++)
		thread[i] = start_with(join_next, (void *)i);
	gate_open(&all_there);
	pthread_exit(NULL);
}
