/* EXPECT: stall:confirmed; hangs */
/* Nobody is left to post: the producers have ended, one item short. */
#include "basics.h"
#include <semaphore.h>

static sem_t items;

static void *producer(void *arg)
{
	sem_post(&items);
	return arg;
}

int main(void)
{
	sem_init(&items, 0, 0);
	run_two(producer, producer);
	for (int i = 0; i < 3; i++)
		sem_wait(&items); // EXPECT stall
	return 0;
}
