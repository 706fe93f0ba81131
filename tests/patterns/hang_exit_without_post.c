/* EXPECT: stall:confirmed; hangs */
/* The only thread that could have posted ends without doing so. */
#include "basics.h"
#include "invisible.h"
#include <semaphore.h>

static sem_t done;

static void *work(void *arg)
{
	invisible_sleep_ms(200); /* main is asleep by then */
	return arg;
}

int main(void)
{
	sem_init(&done, 0, 0);
	OK(pthread_detach(start(work)));
	sem_wait(&done); // EXPECT stall
	return 0;
}
